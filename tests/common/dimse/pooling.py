"""A pool, and a PACS that counts its associations."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pynetdicom import evt
from pynetdicom.events import EventHandlerType

from isthmus.common.dimse import (
    AssociationPool,
    Peer,
)
from isthmus.common.threads import Threads
from tests.common.dimse.local_slots import LocalSlots


class Pacs:
    """An acceptor that counts its associations."""

    def __init__(self) -> None:
        self.opened = 0
        self.most = 0
        self._now = 0
        self._changed = threading.Condition()
        self.associations: list[evt.Event] = []

    @property
    def handlers(self) -> list[EventHandlerType]:
        return [
            (evt.EVT_ESTABLISHED, self._established),
            (evt.EVT_RELEASED, self._ended),
            (evt.EVT_ABORTED, self._ended),
        ]

    def _established(self, event: evt.Event) -> None:
        with self._changed:
            self.associations.append(event)
            self.opened += 1
            self._now += 1
            self.most = max(self.most, self._now)

    def _ended(self, _: evt.Event) -> None:
        with self._changed:
            self._now -= 1
            self._changed.notify_all()

    def drop(self) -> None:
        """Drop every connection, as a firewall or a restart would."""
        for event in self.associations:
            assert event.assoc.dul.socket is not None
            event.assoc.dul.socket.close()

    def wait_until_none_is_open(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._now == 0, 20)


@asynccontextmanager
async def pool(
    to: Peer, threads: Threads, associations: int | LocalSlots = 2, idle_seconds: float = 60
) -> AsyncIterator[AssociationPool]:
    slots = LocalSlots(associations) if isinstance(associations, int) else associations
    made = AssociationPool(to, slots, threads, idle_seconds=idle_seconds)
    try:
        yield made
    finally:
        await made.close()
