"""What traces cost: retrieves by a system that records all of them, against one that records none."""

import time
from collections.abc import Callable
from statistics import median
from typing import Final

from bench.contestants import ContestantFailed, request
from bench.processes import cpu_seconds, variable
from bench.rounds import alternate
from bench.site import ORIGIN, Site
from bench.table import Section, speed
from tests.system.gateway import Gateway

MOST: Final = 0.05
"""Of the throughput that tracing may cost."""
WARM_TURNS: Final = 6
"""Of each in a round: one takes less than half a second, and what is looked for is a few hundredths of it."""
COLD_TURNS: Final = 2
REST_SECONDS: Final = 0.2
"""Without any processor time, after which all spans of a retrieve are written: they are in its time, too."""
TICK: Final = 0.011
"""Seconds of processor time in which nothing is done: services look after themselves all the time."""
_SERVERS: Final = frozenset({"nats", "s3", "gateway"})


def measure(site: Site) -> Section:
    """Measure throughput and processor time, of a study that is held and of one that is not."""
    section = Section("Tracing")
    study = site.study
    count = len(study.files)
    used: dict[str, list[float]] = {}

    def turn(name: str, gateway: Gateway, prepare: Callable[[Gateway], None]) -> Callable[[], float]:
        url = f"http://{variable(gateway.pids['wado'][0], 'ISTHMUS_HTTP__LISTEN')}/aets/{ORIGIN}{study.path}"

        def retrieve() -> float:
            prepare(gateway)
            before = _cpu(gateway)
            seconds = request(url, count).seconds
            used.setdefault(name, []).append(_cpu_at_rest(gateway) - before)
            return seconds

        return retrieve

    def clear(gateway: Gateway) -> None:
        cleared = gateway.isthmus("cache", "clear", ORIGIN, study.uid)
        if cleared.returncode:
            raise ContestantFailed(f"the cache is not cleared: {cleared.stderr}")

    with site.system("untraced", {"ISTHMUS_TELEMETRY__SAMPLE": "0"}) as untraced:
        for state, prepare, turns in (("cold", clear, COLD_TURNS), ("warm", _as_it_is, WARM_TURNS)):
            systems = {f"{state}, traced": site.gateway, f"{state}, untraced": untraced}
            retrieves = {name: turn(name, gateway, prepare) for name, gateway in systems.items()}
            for retrieve in retrieves.values():  # once for nothing: afterwards a warm one is warm
                retrieve()
            used.clear()
            times = alternate(site.options.rounds * turns, retrieves)
            traced, bare = times.values()
            what = f"{state} study retrieve with all traces, against without"
            section.rows.append(speed(what, traced, bare, size=study.size, at_least=1 - MOST))
            told = ", ".join(f"{name} {median(seconds):.3f}" for name, seconds in used.items())
            section.notes.append(
                f"Seconds of processor time of our services a retrieve, export and all: {told}."
            )
    return section


def _as_it_is(_: Gateway) -> None:
    """Leave what is held."""


def _cpu(gateway: Gateway) -> float:
    return sum(seconds for name, seconds in cpu_seconds(gateway.pids).items() if name not in _SERVERS)


def _cpu_at_rest(gateway: Gateway) -> float:
    """Wait until our services do nothing more."""
    now = _cpu(gateway)
    while True:
        time.sleep(REST_SECONDS)  # no event is set when they are through
        before, now = now, _cpu(gateway)
        if now - before <= TICK:
            return now
