"""Others, while many connections send a byte a second and never come to an end."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain
from statistics import quantiles
from typing import Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from bench.contestants import ROOT, ContestantFailed, load, process, whole
from bench.exchange import JSON, Ask
from bench.rounds import alternate
from bench.site import INBOX, ORIGIN, Site
from bench.table import Section, longer

_AT_MOST: Final = 2.0
_PATH: Final = f"/aets/{ORIGIN}/studies"
_HEADERS: Final = f"GET {_PATH} HTTP/1.1\r\nHost: here\r\nA: "
_BODY: Final = (
    f"POST {_PATH} HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n"
    'Content-Type: multipart/related; type="application/dicom"; boundary=b\r\n\r\n'
)
_REQUEST: Final = "\x01\x00\x00\x00\x10\x00"
"""The first bytes of an A-ASSOCIATE-RQ (PS3.8 9.3.2)."""


def measure(site: Site) -> Section:
    """Measure small searches beside slow headers and bodies, and C-ECHO beside slow requests."""
    section = Section("Slow connections")
    url, scp = urlsplit(site.gateway.url), site.called(INBOX)
    count = site.options.slow
    patient, repeat = site.study.first.patient_id, site.options.searches
    search = partial(_searches, f"{site.url()}/studies?PatientID={patient}", repeat)
    echo = partial(_echoes, {"host": scp.host, "port": scp.port, "ae_title": scp.ae_title, "repeat": repeat})
    gateway = partial(_slow, str(url.hostname), url.port or 80, [_HEADERS, _BODY], count)
    listener = partial(_slow, scp.host, scp.port, [_REQUEST], count)
    for title, ask, among in (("small QIDO", search, gateway), ("C-ECHO", echo, listener)):
        turns = {"alone": ask, "among": partial(_beside, among, ask)}
        rounds = alternate(site.options.rounds, turns)
        times = {name: _p95([*chain.from_iterable(given)]) for name, given in rounds.items()}
        section.rows.append(
            longer(
                f"{title} beside {count} connections that send a byte a second: p95, against alone",
                [times["among"]],
                [times["alone"]],
                at_most=_AT_MOST,
            )
        )
    section.notes.append(
        "Half of those over HTTP are at their headers, half at the body of a STOW request; those over DIMSE"
        " at the request for an association. Who is cut off comes again a second later."
    )
    return section


def _p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20, method="inclusive")[-1]


def _searches(url: str, repeat: int) -> Sequence[float]:
    """Search on one connection; the first one, for which it is made, does not count."""
    (answers,) = load(Ask(url=url, accept=JSON, repeat=repeat + 1))
    return [whole(answer, 1).seconds for answer in answers[1:]]


def _echoes(wanted: object) -> Sequence[float]:
    return TypeAdapter(list[float]).validate_python(process("bench.echoes", wanted))


def _beside(
    among: Callable[[], AbstractContextManager[None]], ask: Callable[[], Sequence[float]]
) -> Sequence[float]:
    with among():
        return ask()


@contextmanager
def _slow(host: str, port: int, begins: Sequence[str], count: int) -> Iterator[None]:
    """Have so many slow connections in the block.

    Raises:
        ContestantFailed: they do not come about.
    """
    command = [sys.executable, "-W", "ignore", "-m", "bench.slow"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        wanted = {"host": host, "port": port, "begins": begins, "count": count}
        running.stdin.write(f"{json.dumps(wanted)}\n")
        running.stdin.flush()
        try:
            if running.stdout.readline() != "ready\n":
                raise ContestantFailed("bench.slow: the connections cannot be made")
            yield
        finally:
            running.kill()
