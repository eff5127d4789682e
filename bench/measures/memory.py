"""How much memory our processes take at most, on a system of their own."""

from bench.contestants import ContestantFailed, request
from bench.dcmtk import movescu
from bench.exchange import JSON, Answer
from bench.frames import ct_frames
from bench.processes import OTHERS, peak_memory
from bench.site import ARCHIVE, ORIGIN, WEB, Site
from bench.table import Row, Section, below, failed
from tests.system.gateway import Gateway

_LARGE_SEED = 4


def measure(site: Site) -> Section:
    """Measure a study of very many instances first, as peaks stay, then a large one in both directions."""
    section = Section("Memory")
    with site.system("memory") as gateway:
        _many(site, gateway, section)
        _large(site, gateway, section)
        _moved(site, gateway, section)
    return section


def _large(site: Site, gateway: Gateway, section: Section) -> None:
    rows = site.options.pixels
    frames = -(-site.options.large // (2 * rows * rows))
    study = ct_frames(site.directory, frames, seed=_LARGE_SEED, rows=rows)
    base = f"{gateway.url}/aets/{ARCHIVE}"
    title = f"one instance of {study.size / 2**20:.0f} MiB"

    def store() -> Answer:
        return request(f"{base}/studies", 1, accept=JSON, files=study.files)

    def retrieve() -> Answer:
        return request(base + study.path, 1)

    for verb, operation in (("stored", store), ("stored and retrieved", retrieve)):
        measure = f"{title}, {verb}: memory of the largest process of ours"
        try:
            answer = operation()
        except ContestantFailed as reason:
            section.rows.append(failed(measure, reason))
            site.archive.load(study.files)  # so that the other direction can be measured
        else:
            section.rows.append(_row(measure, gateway, 512))
            section.notes.append(f"{title}, {verb}: {answer.seconds:.1f} s; {_peaks(gateway)}.")


def _many(site: Site, gateway: Gateway, section: Section) -> None:
    study = site.large_study
    title = f"{len(study.files)} small instances retrieved"
    measure = f"{title}: memory of the largest process of ours"
    try:
        answer = request(f"{gateway.url}/aets/{ORIGIN}{study.path}", len(study.files))
    except ContestantFailed as reason:
        section.rows.append(failed(measure, reason))
        return
    section.rows.append(_row(measure, gateway, 300))
    section.notes.append(f"{title}: {answer.seconds:.1f} s; {_peaks(gateway)}.")


def _moved(site: Site, gateway: Gateway, section: Section) -> None:
    """C-MOVE of the study of many from a DICOMweb server: until then nothing passed through these two."""
    study = site.large_study
    title = f"{len(study.files)} small instances by C-MOVE from a DICOMweb server"
    measure = f"{title}: memory of scp or web-scu"
    called = gateway.scp._replace(ae_title=WEB.upper())
    site.storescp.clear()
    try:
        seconds = movescu(called, site.storescp.peer.ae_title, study.uid, len(study.files))
    except ContestantFailed as reason:
        section.rows.append(failed(measure, reason))
        return
    peak = peak_memory([*gateway.pids["scp"], *gateway.pids["web-scu"]])
    section.rows.append(below(measure, peak / 1e6, 300, "MB"))
    section.notes.append(f"{title}: {seconds:.1f} s; {_peaks(gateway)}.")


def _row(measure: str, gateway: Gateway, at_most: float) -> Row:
    ours = {name: pids for name, pids in gateway.pids.items() if name not in OTHERS}
    peaks = [*map(peak_memory, ours.values()), peak_memory([gateway.process.pid])]
    return below(measure, max(peaks) / 1e6, at_most, "MB")


def _peaks(gateway: Gateway) -> str:
    """Write the most memory of each service, in MB."""
    peaks = {name: peak_memory(pids) / 1e6 for name, pids in gateway.pids.items()}
    return ", ".join(f"{name} {peak:.0f} MB" for name, peak in sorted(peaks.items()))
