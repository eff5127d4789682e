"""What is measured: one module for each group of numbers, each with `measure`."""

from collections.abc import Callable, Mapping
from typing import Final

from bench.measures import (
    access,
    ahead,
    arrivals,
    ceiling,
    cold,
    crowd,
    frames,
    inverse,
    loop,
    manifest,
    memory,
    metadata,
    receive,
    search,
    slow,
    start,
    store,
    thumbnails,
    tracing,
    transcode,
    warm,
)
from bench.site import Site
from bench.table import Section

MEASURES: Final[Mapping[str, Callable[[Site], Section]]] = {
    "ceiling": ceiling.measure,
    "start": start.measure,
    "cold": cold.measure,
    "warm": warm.measure,
    "tracing": tracing.measure,
    "manifest": manifest.measure,
    "metadata": metadata.measure,
    "search": search.measure,
    "store": store.measure,
    "receive": receive.measure,
    "crowd": crowd.measure,
    "ahead": ahead.measure,
    "frames": frames.measure,
    "slow": slow.measure,
    "thumbnails": thumbnails.measure,
    "transcode": transcode.measure,
    "loop": loop.measure,
    "memory": memory.measure,
    "inverse": inverse.measure,
    "arrivals": arrivals.measure,
    "access": access.measure,
}
"""By the names that `--only` takes, in the order in which they run."""
