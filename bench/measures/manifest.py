"""What is held of a large study: its manifest from S3, against the same bytes alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bench.site import ORIGIN, Site
from bench.table import Section, delay
from isthmus.cli.connected import connected
from isthmus.common.blobs import BlobStore, manifest_key
from isthmus.common.retrieval import Catalogue
from tests.common.retrieval.held import STUDY, blob, held_series, manifest

_SERIES: Final = 10
_INSTANCES: Final = 500
_AT_MOST: Final = 0.1


def measure(site: Site) -> Section:
    """Load one of 5,000 instances, in this process."""
    return asyncio.run(_measure(site))


async def _measure(site: Site) -> Section:
    async with connected(site.gateway.data, "bench") as system:
        ours, bound = await _times(system.blobs, site.options.rounds)
    row = delay(
        f"a manifest of {_SERIES * _INSTANCES} instances, against its bytes from S3",
        ours,
        bound,
        at_most=_AT_MOST,
    )
    return Section("Manifest", [row])


async def _times(blobs: BlobStore, rounds: int) -> tuple[list[float], list[float]]:
    held = [
        held_series(*(blob(number, uid) for number in range(_INSTANCES)), series=uid)
        for uid in (f"{STUDY}.{number}" for number in range(_SERIES))
    ]
    await Catalogue(blobs).save(manifest(ORIGIN, *held))

    async def load() -> None:
        loaded = await Catalogue(blobs).load(ORIGIN, STUDY)
        assert loaded is not None
        assert sum(len(one.instances) for one in loaded.series) == _SERIES * _INSTANCES

    async def read() -> None:
        await blobs.get(manifest_key(ORIGIN, STUDY))

    try:
        await read()  # the connection is there
        times = [(await _seconds(load), await _seconds(read)) for _ in range(rounds)]
    finally:
        await Catalogue(blobs).drop(ORIGIN, STUDY)
    return [loading for loading, _ in times], [reading for _, reading in times]


async def _seconds(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began
