"""How long `isthmus up` takes, with its demo PACS, until it says that it is ready."""

import time
from typing import Final

from bench.contestants import ContestantFailed
from bench.site import Site
from bench.table import Section, within
from tests.system.gateway import Gateway

_AT_MOST: Final = 15.0
"""Seconds, where it has run before."""


def measure(site: Site) -> Section:
    """Start it again and again in one data folder; the first time is none of them."""
    directory = site.directory / "start"
    directory.mkdir()
    _, *times = [_started(Gateway(directory)) for _ in range(site.options.rounds + 1)]
    return Section("Start", [within("isthmus up with its demo, until it is ready", times, _AT_MOST)])


def _started(gateway: Gateway) -> float:
    began = time.perf_counter()
    try:
        with gateway:
            return time.perf_counter() - began
    except (TimeoutError, AssertionError) as error:
        raise ContestantFailed(f"isthmus up is not ready: {error}") from error
