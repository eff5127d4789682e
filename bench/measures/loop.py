"""How long a request keeps everybody else waiting: the longest silence of a loop while it is answered."""

from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel

from bench.contestants import ContestantFailed, request
from bench.heavy import Heavy, heavy_requests, studies
from bench.load import run
from bench.replica import replicas
from bench.site import Site
from bench.table import Row, Section, delay, failed
from bench.watched import SILENCE

_FACES: Final = ("wado", "qido", "stow")
_AT_MOST: Final = 0.05
_ROUNDS: Final = 2
"""They take their time."""


class Silence(BaseModel):
    """What a watched loop tells."""

    seconds: float
    computing: float


def measure(site: Site) -> Section:
    """Ask for one after another, of processes that have just been started; what was derived is forgotten.

    Meanwhile another face is idle: the longest silence of its loop is what the machine adds.
    """
    for study in studies(site):
        request(site.url() + study.path, len(study.files))
    asked = heavy_requests(site)
    silences: dict[str, list[tuple[Silence, Silence]]] = {heavy.title: [] for heavy in asked}
    failures: dict[str, str] = {}
    for _ in range(min(site.options.rounds, _ROUNDS)):
        for study in studies(site):
            site.clear_derived(study)
        site.archive.delete_all()
        with replicas(site, {face: ("bench.watched", face) for face in _FACES}) as bases:
            for heavy in asked:
                try:
                    silences[heavy.title].append(_silences(heavy, bases))
                except ContestantFailed as reason:
                    failures[heavy.title] = str(reason)
    rows = [
        failed(f"the loop, silent: {heavy.title}", failures[heavy.title])
        if heavy.title in failures
        else _row(heavy.title, silences[heavy.title])
        for heavy in asked
    ]
    return Section("Loop", rows, [_note(silences)])


def _silences(heavy: Heavy, bases: Mapping[str, str]) -> tuple[Silence, Silence]:
    """Ask, and give the silence of the loop that answered, and of an idle one meanwhile."""
    idle = next(face for face in _FACES if face != heavy.face)
    for face in (heavy.face, idle):
        _silence(bases[face])
    ((answer,),) = run([heavy.ask(bases[heavy.face])])
    if answer.status != 200 or not answer.whole:
        raise ContestantFailed(f"status {answer.status}, {'whole' if answer.whole else 'broken off'}")
    return _silence(bases[heavy.face]), _silence(bases[idle])


def _silence(base: str) -> Silence:
    connection = HTTPConnection(urlsplit(base).netloc, timeout=60)
    try:
        connection.request("GET", SILENCE)
        return Silence.model_validate_json(connection.getresponse().read())
    finally:
        connection.close()


def _note(silences: Mapping[str, list[tuple[Silence, Silence]]]) -> str:
    computing = {
        title: max((one.computing for one, _ in each), default=0) for title, each in silences.items()
    }
    title = max(computing, key=computing.__getitem__)
    return (
        f"The most that a face itself computed in one silence: {computing[title] * 1000:.1f} ms, for {title}."
    )


def _row(title: str, silences: list[tuple[Silence, Silence]]) -> Row:
    return delay(
        f"the loop, silent: {title}",
        [one.seconds for one, _ in silences],
        [idle.seconds for _, idle in silences],
        at_most=_AT_MOST,
    )
