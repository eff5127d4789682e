"""What processes that died, and jobs whose end nobody saw, left in the spool."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus.stores import began
from isthmus.common.errors import StoreUnavailable
from isthmus.common.service import Parts
from isthmus.common.telemetry import get_logger
from isthmus.stow.spool import SPOOL

LEFT_SECONDS: Final = 24 * 3600
"""Older than any request, and than any job that is still in the queue because of one."""
EVERY_SECONDS: Final = 3600

log = get_logger(__name__)


@asynccontextmanager
async def sweeping(parts: Parts) -> AsyncIterator[None]:
    """Sweep the spool now and every hour, as long as the service runs."""
    task = asyncio.create_task(_sweep_on(parts.blobs))
    yield
    task.cancel()
    await asyncio.wait([task])


async def sweep(blobs: BlobStore, now: float) -> int:
    """Delete the blobs of jobs that began more than a day before `now`, and say how many.

    Raises:
        StoreUnavailable: S3 is away.
    """
    # First the list: what is deleted must not move its pages.
    keys = [blob.key async for blob in blobs.list(SPOOL) if began(blob.key) < now - LEFT_SECONDS]
    for key in keys:
        await blobs.delete(key)
    return len(keys)


async def _sweep_on(blobs: BlobStore) -> None:
    while True:
        try:
            swept = await sweep(blobs, time.time())
        except StoreUnavailable as error:
            log.warning("spool not swept", detail=error.detail)
        else:
            if swept:
                log.warning("spool swept", blobs=swept)
        await asyncio.sleep(EVERY_SECONDS)
