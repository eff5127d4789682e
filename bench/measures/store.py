"""A study stored in an archive that has nothing of it, against DCMTK's storescu."""

from functools import partial

from bench.contestants import request
from bench.dcmtk import storescu
from bench.exchange import JSON
from bench.rounds import alternate
from bench.site import ARCHIVE, QUICK_ARCHIVE, Site, profile_note
from bench.table import Section, speed
from tests.peers import Orthanc


def measure(site: Site) -> Section:
    """Measure STOW-RS through the gateway; storescu waits a lot, so three rounds are enough.

    Orthanc as it is shipped lets storescu wait 40 ms an instance even with TCP_NODELAY=1, which has its full
    effect only where both sides have it: then both of us store in an Orthanc that has it too.
    """
    study, rounds = site.study, min(site.options.rounds, 3)
    used: dict[str, float] = {}

    def ours(archive: Orthanc, origin: str) -> float:
        archive.delete_all()
        with site.profile(used):
            url = f"{site.url(origin)}/studies"
            return request(url, len(study.files), accept=JSON, files=study.files).seconds

    def dcmtk(archive: Orthanc, *, no_delay: bool) -> float:
        archive.delete_all()
        return storescu(archive.peer, study.files, no_delay=no_delay)

    times = alternate(
        rounds,
        {
            "ours": partial(ours, site.archive, ARCHIVE),
            "shipped": partial(dcmtk, site.archive, no_delay=False),
            "ours, quick": partial(ours, site.quick_archive, QUICK_ARCHIVE),
            "no delay": partial(dcmtk, site.quick_archive, no_delay=True),
        },
    )
    title, size = f"STOW of {len(study.files)} instances into Orthanc", study.size
    rows = [
        speed(
            f"{title}, against storescu as shipped", times["ours"], times["shipped"], size=size, at_least=4
        ),
        speed(
            f"{title} with TCP_NODELAY=1, against storescu with it",
            times["ours, quick"],
            times["no delay"],
            size=size,
            at_least=0.7,
        ),
    ]
    return Section("Store", rows, [f"Seconds of processor time a store: {profile_note(used, 2 * rounds)}."])
