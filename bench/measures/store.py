"""A study stored in an archive that has nothing of it, against DCMTK's storescu."""

from bench.contestants import request, storescu
from bench.exchange import JSON
from bench.rounds import alternate
from bench.site import ARCHIVE, Site, profile_note
from bench.table import Section, speed


def measure(site: Site) -> Section:
    """Measure STOW-RS through the gateway; storescu waits a lot, so three rounds are enough."""
    study, rounds = site.study, min(site.options.rounds, 3)
    used: dict[str, float] = {}

    def ours() -> float:
        site.archive.delete_all()
        url = f"{site.url(ARCHIVE)}/studies"
        with site.profile(used):
            return request(url, len(study.files), accept=JSON, files=study.files).seconds

    def dcmtk(*, no_delay: bool) -> float:
        site.archive.delete_all()
        return storescu(site.archive.peer, study.files, no_delay=no_delay)

    times = alternate(
        rounds,
        {
            "ours": ours,
            "shipped": lambda: dcmtk(no_delay=False),
            "no delay": lambda: dcmtk(no_delay=True),
        },
    )
    title, size = f"STOW of {len(study.files)} instances into Orthanc", study.size
    rows = [
        speed(
            f"{title}, against storescu as shipped", times["ours"], times["shipped"], size=size, at_least=4
        ),
        speed(
            f"{title}, against storescu with TCP_NODELAY=1",
            times["ours"],
            times["no delay"],
            size=size,
            at_least=0.7,
        ),
    ]
    return Section("Store", rows, [f"Seconds of processor time a store: {profile_note(used, rounds)}."])
