"""Waiting until what was stored can be found: lists are made of events, a moment later."""

import asyncio
from collections.abc import Collection
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.errors import IsthmusError
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.state import States
from isthmus.common.telemetry import get_logger

LISTED_SECONDS: Final = 2.0
"""What takes longer is found later: it is safe all the same."""
LOOK_SECONDS: Final = 0.05

log = get_logger(__name__)

Stored = tuple[str, str]
"""Study Instance UID and SOP Instance UID."""


class Listed:
    """Looks into the lists of an inbox."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: str) -> None:
        self._states = States(bus)
        self._contents = ContentsStore(blobs)
        self._inbox = inbox

    async def wait_for(self, stored: Collection[Stored]) -> None:
        """Wait until all of it is listed, for a while; that it is not is no failure."""
        by_study: dict[str, set[str]] = {}
        for study, instance in stored:
            by_study.setdefault(study, set()).add(instance)
        try:
            async with asyncio.timeout(LISTED_SECONDS):
                for study, instances in by_study.items():
                    await self._wait_for_study(study, instances)
        except (TimeoutError, IsthmusError) as error:
            log.warning("stored, but not yet listed", origin=self._inbox, error=type(error).__name__)

    async def _wait_for_study(self, study: str, instances: set[str]) -> None:
        while True:
            _, contents = await read_study(self._states, self._contents, self._inbox, study)
            if instances <= contents.rows.keys():
                return
            await asyncio.sleep(LOOK_SECONDS)
