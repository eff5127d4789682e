"""Many clients who want one study at once: the PACS sends it once, and nobody waits too long."""

from statistics import median

from bench.contestants import load, request, whole
from bench.data import Study
from bench.exchange import Ask
from bench.rounds import alternate
from bench.site import COUNTED, Site
from bench.table import Row, Section, longer

_SLACK = 0.2
"""What the listing and the protocol add to the bytes of a study."""


def measure(site: Site) -> Section:
    """Measure a crowd before a small study, and a smaller one before the study."""
    many, fewer = site.options.clients
    rows = [*_crowd(site, site.small_study, many, 12), *_crowd(site, site.study, fewer, 8)]
    note = "Bytes are counted between the gateway and the PACS; each body was whole, with all its parts."
    return Section("Crowds", rows, [note])


def _crowd(site: Site, study: Study, clients: int, at_most: float) -> list[Row]:
    url, count = site.url(COUNTED) + study.path, len(study.files)
    transfers = []

    def lone() -> float:
        site.clear(study, COUNTED)
        return request(url, count).seconds

    def crowd() -> float:
        site.clear(study, COUNTED)
        before = site.meter.sent
        answers = load(*[Ask(url=url)] * clients)
        transfers.append((site.meter.sent - before) / study.size)
        return max(whole(answer, count).seconds for (answer,) in answers)

    times = alternate(min(site.options.rounds, 3), {"lone": lone, "crowd": crowd})
    title = f"{clients} clients at once on one cold study of {count} instances"
    return [
        longer(f"{title}: the slowest, against a lone one", times["crowd"], times["lone"], at_most=at_most),
        Row(
            measure=f"{title}: transfers at the PACS",
            ours=f"{median(transfers):.2f} (most: {max(transfers):.2f})",
            wanted="1",
            met=max(transfers) < 1 + _SLACK,
        ),
    ]
