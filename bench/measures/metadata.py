"""The metadata of a series that is held, against Orthanc's."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from bench.contestants import request
from bench.exchange import JSON
from bench.measures.rivals import taking_part
from bench.rounds import alternate
from bench.site import Site
from bench.table import Section, speed

COMPRESSED: Final = {"Accept-Encoding": "gzip"}
"""As browsers ask."""
PLAIN: Final[Mapping[str, str]] = {}


def measure(site: Site) -> Section:
    """Measure it as browsers ask for it, and without compression."""
    section = Section("Metadata")
    study = site.study
    count, path = len(study.files), f"{study.series_path}/metadata"

    def seconds(base: str, headers: Mapping[str, str]) -> float:
        return request(base + path, count, accept=JSON, headers=headers).seconds

    request(site.url() + study.path, len(study.files))  # from now on it is held
    able = taking_part(site, section, lambda base: seconds(base, COMPRESSED))
    turns: dict[str, Callable[[], float]] = {
        "ours": partial(seconds, site.url(), COMPRESSED),
        "orthanc": partial(seconds, site.orthanc_url, COMPRESSED),
        "ours, plain": partial(seconds, site.url(), PLAIN),
        "orthanc, plain": partial(seconds, site.orthanc_url, PLAIN),
    }
    for turn in turns.values():
        turn()  # what is made at first demand is there now
    times = alternate(site.options.rounds, {**turns, **able})
    section.rows = [
        speed(
            f"series metadata, {count} instances, warm, gzip accepted, against Orthanc's",
            times["ours"],
            times["orthanc"],
            at_least=5,
            goal=20,
        ),
        speed("- the same without compression", times["ours, plain"], times["orthanc, plain"]),
        *(speed(f"- series metadata, against {name}", times["ours"], times[name]) for name in able),
    ]
    return section
