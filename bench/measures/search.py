"""Searches over the bus, against C-FIND alone on an association that is open."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain

from bench.contestants import bare_find, load, whole
from bench.exchange import JSON, Ask
from bench.measures.rivals import taking_part
from bench.rounds import alternate
from bench.site import Site
from bench.table import Section, delay, longer, speed
from isthmus.common.dicom.levels import Level


def measure(site: Site) -> Section:
    """Measure a search with one match, and one with many."""
    section = Section("Search")
    _small(site, section)
    _large(site, section)
    return section


def _small(site: Site, section: Section) -> None:
    patient, count = site.study.first.patient_id, site.options.searches
    path = f"/studies?PatientID={patient}"
    bare = partial(_bare, site, Level.STUDY, {"PatientID": patient}, 1, count)
    turns: dict[str, Callable[[], Sequence[float]]] = {
        "ours": partial(_ours, site.url(), path, 1, count),
        "tuned": partial(bare, tuned=True),
        "untuned": partial(bare, tuned=False),
    }
    able = taking_part(site, section, lambda base: _ours(base, path, 1, count))
    rounds = alternate(site.options.rounds, {**turns, **able})
    times = {name: list(chain.from_iterable(given)) for name, given in rounds.items()}
    section.rows += [
        delay(
            "small QIDO, against bare C-FIND on an open association, tuned sockets",
            times["ours"],
            times["tuned"],
            at_most=0.01,
        ),
        speed("- the same against pynetdicom's own sockets", times["ours"], times["untuned"]),
        *(speed(f"- small QIDO, against {name}", times["ours"], times[name]) for name in able),
    ]


def _large(site: Site, section: Section) -> None:
    study, matches = site.searched_study, site.options.matches
    keys = {
        "StudyInstanceUID": study.uid,
        "SeriesInstanceUID": study.first.series_instance_uid,
        "SOPInstanceUID": "",
    }
    rounds = alternate(
        site.options.rounds,
        {
            "ours": partial(_ours, site.url(), f"{study.series_path}/instances", matches, 1),
            "bare": partial(_bare, site, Level.IMAGE, keys, matches, 1, tuned=True),
        },
    )
    times = {name: list(chain.from_iterable(given)) for name, given in rounds.items()}
    section.rows.append(
        longer(
            f"QIDO with {matches} matches, against bare C-FIND that decodes them",
            times["ours"],
            times["bare"],
            at_most=1.3,
        )
    )


def _ours(base: str, path: str, matches: int, count: int) -> Sequence[float]:
    """Search on one connection; the first one, for which it is made, does not count."""
    (answers,) = load(Ask(url=base + path, accept=JSON, repeat=count + 1))
    return [whole(answer, matches).seconds for answer in answers[1:]]


def _bare(
    site: Site, level: Level, keys: Mapping[str, str], matches: int, count: int, *, tuned: bool
) -> Sequence[float]:
    """Search on one association; the first one does not count, as with us."""
    return bare_find(site.orthanc.peer, level, keys, matches, repeat=count + 1, tuned=tuned)[1:]
