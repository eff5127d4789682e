"""The lists of studies, as requests for commitment look into them.

A request may name what was never sent here, and whoever sends such a one sends many. So a list is read once:
lists are never written over, and of the instances of each a process remembers a hash of the SOP Instance UID.
Which lists there are is read from what has changed in the records since the last look.
"""

import asyncio
from array import array
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.errors import BlobMissing, ContractError
from isthmus.common.inbox.contents import ContentsStore, Row
from isthmus.common.inbox.state import read_record
from isthmus.common.telemetry import get_logger

NEWEST_RECORDS: Final = 64
"""So far back the first look into the records goes."""
REMEMBERED: Final = 4_000_000
"""Instances of which a process remembers where they are, in 8 bytes each. Lists beyond are read again."""
_LISTS_AT_ONCE: Final = 256
"""So many remembered lists are looked at before others get their turn."""
_RECORDS: Final = f"KV_{streams.INBOXES_BUCKET}"

log = get_logger(__name__)


@dataclass(slots=True)
class _Inbox:
    """The records of an inbox, as far as they were read."""

    lists: dict[str, str] = field(default_factory=dict)
    """The key of each study's list, by the record's subject; what changed last is behind."""
    read_to: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One reads at a time: the next one then finds it read."""


class KnownLists:
    """Those of all inboxes, for all requests of a process."""

    def __init__(self, bus: Bus, blobs: BlobStore, remembered: int = REMEMBERED) -> None:
        """Prepare; of so many instances it is remembered where they are."""
        self._bus = bus
        self._contents = ContentsStore(blobs, remembered=0)
        self._inboxes: dict[str, _Inbox] = {}
        self._hashes: dict[str, array[int]] = {}
        """By a list's key, those of its SOP Instance UIDs."""
        self._room = remembered

    async def rows(self, inbox: str, wanted: set[str]) -> AsyncGenerator[Mapping[str, Row], None]:
        """Give the rows of what is wanted, list by list, those that changed last first.

        Args:
            inbox: the name.
            wanted: SOP Instance UIDs; who reads takes those out that it has, and with the last it ends.

        Raises:
            UnavailableError: NATS or S3 is away.
        """
        known = self._inboxes.setdefault(inbox, _Inbox())
        async with known.lock:
            if not known.read_to:  # it takes seconds to read many, and what is asked for came lately
                async for rows in self._among(await self._newest(inbox), wanted):
                    yield rows
            if wanted:
                await self._refresh(inbox, known)
            async for rows in self._among(tuple(reversed(known.lists.values())), wanted):
                yield rows
            if wanted:  # those that changed meanwhile: the lists in their places may have been gone
                async for rows in self._among(await self._refresh(inbox, known), wanted):
                    yield rows

    async def _among(self, keys: Iterable[str], wanted: set[str]) -> AsyncGenerator[Mapping[str, Row], None]:
        hashes = frozenset(map(hash, wanted))
        for number, key in enumerate(keys):
            if not wanted:
                return
            if number % _LISTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if hashes.isdisjoint(self._hashes.get(key, hashes)):
                continue
            rows = await self._load(key)
            found = {uid: row for uid in wanted if (row := rows.get(uid)) is not None}
            if found:
                yield found
                hashes = frozenset(map(hash, wanted))

    async def _newest(self, inbox: str) -> list[str]:
        """Give the lists of the records that changed last."""
        newest = await self._last_sequence()
        changed = await self._changed(inbox, max(1, newest - NEWEST_RECORDS + 1))
        return [key for key in reversed(changed.values()) if key is not None]

    async def _refresh(self, inbox: str, known: _Inbox) -> list[str]:
        """Read the records that have changed, and give the keys of their lists."""
        newest = await self._last_sequence()
        if newest < known.read_to:  # the stream was lost, and declared anew
            known.lists.clear()
            known.read_to = 0
        if newest == known.read_to:
            return []
        changed = await self._changed(inbox, known.read_to + 1)
        for subject, key in changed.items():
            before = known.lists.pop(subject, None)
            if before is not None and before != key:
                self._forget(before)
            if key is not None:
                known.lists[subject] = key
        known.read_to = newest
        return [key for key in changed.values() if key is not None]

    async def _last_sequence(self) -> int:
        with bus_errors(_RECORDS):
            return (await self._bus.jetstream.stream_info(_RECORDS)).state.last_seq

    async def _changed(self, inbox: str, begin: int) -> dict[str, str | None]:
        """Give the key of the list of each record from a sequence on, in their order, by its subject."""
        filtered = f"$KV.{streams.INBOXES_BUCKET}.{subjects.token(inbox)}.*"
        changed: dict[str, str | None] = {}
        reading = read_ordered(self._bus, _RECORDS, filtered, since=begin, follow=False)
        async with aclosing(reading) as messages:
            async for message in messages:
                changed.pop(message.subject, None)
                changed[message.subject] = _list_of(message.data)
        return changed

    async def _load(self, key: str) -> Mapping[str, Row]:
        try:
            rows = (await self._contents.load(key)).rows
        except BlobMissing:  # it was replaced, or its study was deleted
            return {}
        except ContractError:  # what nobody can read, nobody is promised
            log.error("list of a study not understood")
            rows = {}
        self._remember(key, rows)
        return rows

    def _remember(self, key: str, rows: Collection[str]) -> None:
        if key not in self._hashes and len(rows) <= self._room:
            self._hashes[key] = array("q", map(hash, rows))
            self._room -= len(rows)

    def _forget(self, key: str) -> None:
        self._room += len(self._hashes.pop(key, ()))


def _list_of(record: bytes) -> str | None:
    """Give the key of a study's list; None where it has none, or nobody can read its record."""
    try:
        return read_record(record).contents
    except ContractError:
        return None
