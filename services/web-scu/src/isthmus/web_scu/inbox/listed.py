"""Waiting until what was stored can be found: lists are made of events, a moment later."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.errors import IsthmusError
from isthmus.common.inbox.contents import Contents, ContentsStore
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import States
from isthmus.common.telemetry import get_logger

LISTED_SECONDS: Final = 2.0
"""What takes longer is found later: it is safe all the same."""
LOOK_SECONDS: Final = 0.05

log = get_logger(__name__)

Stored = tuple[str, str, str]
"""Study Instance UID, SOP Instance UID, and the digest of the bytes."""


class Listed:
    """Looks into the lists of an inbox."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: str) -> None:
        self._states = States(bus)
        self._contents = ContentsStore(blobs)
        self._inbox = inbox

    async def wait_for(self, stored: Collection[Stored]) -> None:
        """Wait until all of it is listed, for a while; that it is not is no failure."""
        by_study: dict[str, dict[str, str]] = {}
        for study, instance, digest in stored:
            by_study.setdefault(study, {})[instance] = digest
        until = time.monotonic() + LISTED_SECONDS
        try:
            for study, instances in by_study.items():
                await self._wait_for_study(study, instances, until)
        except (TimeoutError, IsthmusError) as error:
            log.warning("stored, but not yet listed", origin=self._inbox, error=type(error).__name__)

    async def _wait_for_study(self, study: str, instances: Mapping[str, str], until: float) -> None:
        # No `asyncio.timeout` around the loop: it cancels once, and that nats-py may drop (see `end_tasks`).
        # The loop went on for ever then, and the job with it. What is read here has time-outs of its own.
        while True:
            _, contents = await read_study(self._states, self._contents, self._inbox, study)
            if all(_has(contents, instance, digest) for instance, digest in instances.items()):
                return
            if time.monotonic() > until:
                raise TimeoutError
            await asyncio.sleep(LOOK_SECONDS)


def _has(contents: Contents, instance: str, digest: str) -> bool:
    row = contents.rows.get(instance)
    return row is not None and any(digest in blob.key for blob in (row.blob, *row.others))
