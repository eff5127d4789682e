"""Deleting from an inbox, also what a worker that died has begun to delete."""

import asyncio
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.errors import IsthmusError
from isthmus.common.inbox.index import Index
from isthmus.common.inbox.remove import Remover, remove
from isthmus.common.messages import Delete, Deleted
from isthmus.common.telemetry import get_logger

EVERY_SECONDS: Final = 60.0
"""How often it is looked for deletions that nobody brought to their end."""

log = get_logger(__name__)


class DeleteWork:
    """Answers `dicom.delete` of one inbox."""

    def __init__(self, bus: Bus, blobs: BlobStore) -> None:
        self._bus = bus
        self._blobs = blobs

    async def __call__(self, delete: Delete) -> Deleted:
        """Delete; when this returns without a failure, it is gone."""
        deleted = await remove(self._bus, self._blobs, delete)
        if deleted.failure is not None:
            log.warning("not deleted", origin=delete.origin, detail=deleted.failure.detail)
        elif deleted.instances:
            log.info("deleted", origin=delete.origin, instances=deleted.instances)
        return deleted


async def finishing(bus: Bus, blobs: BlobStore, index: Index) -> None:
    """Bring deletions to their end that were broken off, now and then every minute; runs until cancelled."""
    remover = Remover(bus, blobs)
    while True:
        try:
            await finish_all(remover, index)
        except IsthmusError as error:
            log.warning("deletions not finished", detail=error.detail)
        await asyncio.sleep(EVERY_SECONDS)


async def finish_all(remover: Remover, index: Index) -> None:
    """Bring all deletions to their end; one that does not get there holds up no other.

    Raises:
        BusUnavailable: NATS is away.
    """
    for one in await index.with_removals():
        try:
            await remover.finish(one.origin, one.study)
        except IsthmusError as error:
            log.warning("deletion not finished", origin=one.origin, detail=error.detail)
