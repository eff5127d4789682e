"""The one way into an inbox: into S3, then into the stream of events; only then is an instance taken.

Nothing is locked over processes. What makes that safe against a deletion at the same time: the record of a
study counts its deletions (`life`), and the keys of what comes after one say so. Who deletes never touches
what came since, and who deposits looks again afterwards: was the study deleted meanwhile, it is done anew.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import quote
from weakref import WeakValueDictionary

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import digest_of_key, inbox_key, inbox_prefix, life_of_key
from isthmus.common.bus import Bus
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.events import publish_event
from isthmus.common.config import Inbox
from isthmus.common.config.origins import Conflicts
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.part10 import Identity
from isthmus.common.errors import BlobMissing
from isthmus.common.inbox.contents import ContentsStore, Row
from isthmus.common.inbox.state import States, StudyState
from isthmus.common.messages.events import Blob, CloudEvent, EventType, InstanceEvent, timestamp
from isthmus.common.telemetry import TRACEPARENT, inject

REMEMBERED_SENDERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Incoming:
    """An instance that somebody sends."""

    identity: Identity
    transfer_syntax_uid: str
    digest: str
    """SHA-256 of the Part 10 file, in hex."""
    size: int
    """Bytes of it."""
    attributes: DicomJson
    """What searches match and give back, at every level."""
    calling_ae_title: str | None = None
    association: str | None = None


@dataclass(frozen=True, slots=True)
class Deposited:
    """What became of it."""

    is_new: bool
    """Whether an event says so: not of the same bytes once more."""
    is_duplicate_uid: bool = False
    """Whether it was refused because the inbox refuses other bytes under a UID that it has."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is there under the UIDs of an instance."""

    life: int
    """Of the study's record."""
    key: str
    """Where these bytes are, or are to be."""
    is_written: bool
    is_known: bool
    """Whether the study's list has them."""
    has_others: bool
    """Whether there are other bytes."""


class Deposits:
    """Takes instances into inboxes."""

    def __init__(self, bus: Bus, blobs: BlobStore, base_url: str) -> None:
        """Prepare; `base_url` is where clients reach the gateway."""
        self._bus = bus
        self._blobs = blobs
        self._states = States(bus)
        self._contents = ContentsStore(blobs)
        self._base_url = base_url.rstrip("/")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._repeating: OrderedDict[str, None] = OrderedDict()

    async def deposit(
        self,
        inbox: Inbox,
        incoming: Incoming,
        write: Callable[[str], Awaitable[None]],
        *,
        may_rewrite: bool = False,
    ) -> Deposited:
        """Take an instance; when this returns, it and its event are durable, or it was refused.

        Raises:
            UnavailableError: S3 or NATS is away: nothing is promised, and the sender is to repeat it.
        """

        async def at_once() -> Incoming:
            return incoming

        return await self.deposit_described_later(
            inbox, incoming.identity, at_once, write, may_rewrite=may_rewrite
        )

    async def deposit_described_later(
        self,
        inbox: Inbox,
        identity: Identity,
        describe: Callable[[], Awaitable[Incoming]],
        write: Callable[[str], Awaitable[None]],
        *,
        may_rewrite: bool = False,
    ) -> Deposited:
        """Take an instance as `deposit`, and look what is there while somebody finds out what came.

        Args:
            inbox: where to.
            identity: which instance it is.
            describe: says what came.
            write: writes the Part 10 file under the key that it is given; not called for what is there.
            may_rewrite: it may be called for what is there after all, because it puts the same bytes in the
                place of the same bytes at once, and leaves them where it fails: then it goes on while it is
                looked what is there, which is nothing mostly.

        Raises:
            UnavailableError: S3 or NATS is away: nothing is promised, and the sender is to repeat it.
        """
        prefix = _prefix(inbox, identity)
        async with self._one_at_a_time(prefix):
            state = await self._state(inbox, identity)
            keys = asyncio.ensure_future(self._keys(prefix))
            try:
                incoming = await describe()
                may_write = write if may_rewrite else None
                found = await self._look_and_write(inbox, incoming, state, keys, may_write)
            finally:
                await end_tasks([keys])
            deposited = await self._finish(inbox, incoming, write, found)
        self._note(incoming.association or "", is_repeating=not deposited.is_new)
        return deposited

    async def _finish(
        self,
        inbox: Inbox,
        incoming: Incoming,
        write: Callable[[str], Awaitable[None]],
        found: _Found,
    ) -> Deposited:
        """Do what is still to be done, and again if the study is deleted meanwhile."""
        while True:
            if found.is_known and found.is_written:
                return Deposited(is_new=False)
            if found.has_others and inbox.conflicts is Conflicts.REFUSE and not found.is_written:
                return Deposited(is_new=False, is_duplicate_uid=True)
            if not found.is_written:
                await write(found.key)
            is_new = await publish_event(self._bus, self._event(inbox, incoming, found))
            state = await self._state(inbox, incoming.identity)
            if state.life == found.life:
                return Deposited(is_new)
            keys = self._keys(_prefix(inbox, incoming.identity))
            found = await self._look(inbox, incoming, state, keys)

    @asynccontextmanager
    async def _one_at_a_time(self, name: str) -> AsyncIterator[None]:
        """Let several senders of one SOP Instance UID see each other's bytes."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            yield

    async def _look_and_write(
        self,
        inbox: Inbox,
        incoming: Incoming,
        state: StudyState,
        keys: Awaitable[frozenset[str]],
        write: Callable[[str], Awaitable[None]] | None,
    ) -> _Found:
        """Look what is there, and write meanwhile what is likely to be new."""
        is_repeating = (incoming.association or "") in self._repeating
        # What was deleted may be known under another key.
        if write is None or inbox.conflicts is Conflicts.REFUSE or is_repeating or state.life:
            return await self._look(inbox, incoming, state, keys)
        key = _key(inbox, incoming, state.life)
        writing = asyncio.ensure_future(write(key))
        try:
            found = await self._look(inbox, incoming, state, keys)
        finally:
            await writing
        return replace(found, is_written=True) if found.key == key else found

    def _note(self, sender: str, *, is_repeating: bool) -> None:
        """Remember who sends what is there: of them nothing is written before it is looked."""
        if not is_repeating:
            self._repeating.pop(sender, None)
        elif sender:
            self._repeating[sender] = None
            if len(self._repeating) > REMEMBERED_SENDERS:
                self._repeating.popitem(last=False)

    async def _look(
        self, inbox: Inbox, incoming: Incoming, state: StudyState, listing: Awaitable[frozenset[str]]
    ) -> _Found:
        # In which order does not matter: after the event it is looked whether the record is still the same.
        keys = await listing
        if not keys:
            return _Found(state.life, _key(inbox, incoming, state.life), False, False, False)
        row, life = await self._row(inbox, incoming, state)
        listed = {blob.key for blob in (row.blob, *row.others)} if row is not None else set()
        known = next((key for key in listed if digest_of_key(key) == incoming.digest), None)
        key = known or _key(inbox, incoming, life)
        # Of what the list does not name, the keys of former lives wait for their deletion.
        there = {one for one in keys if one in listed or life_of_key(one) == life}
        others = any(digest_of_key(one) != incoming.digest for one in there | listed)
        return _Found(life, key, key in keys, known is not None, others)

    async def _state(self, inbox: Inbox, identity: Identity) -> StudyState:
        return (await self._states.get(inbox.name, identity.study_instance_uid)).state

    async def _keys(self, prefix: str) -> frozenset[str]:
        async with aclosing(self._blobs.list(prefix)) as listed:
            return frozenset([blob.key async for blob in listed])

    async def _row(self, inbox: Inbox, incoming: Incoming, state: StudyState) -> tuple[Row | None, int]:
        """Give what the study's list says of the instance, and the life that this list is of."""
        while True:
            try:
                contents = await self._contents.load(state.contents)
            except BlobMissing:
                # It was replaced between the two reads; if it was not, it is lost.
                again = await self._state(inbox, incoming.identity)
                if again.contents == state.contents:
                    raise
                state = again
            else:
                return contents.rows.get(incoming.identity.sop_instance_uid), state.life

    def _event(self, inbox: Inbox, incoming: Incoming, found: _Found) -> CloudEvent[InstanceEvent]:
        identity = incoming.identity
        data = InstanceEvent(
            origin=inbox.name,
            study=identity.study_instance_uid,
            series=identity.series_instance_uid,
            instance=identity.sop_instance_uid,
            sop_class=identity.sop_class_uid,
            transfer_syntax=incoming.transfer_syntax_uid,
            digest=incoming.digest,
            blob=Blob(self._blobs.bucket, found.key, incoming.size),
            url=self._url(inbox, identity),
            attributes=incoming.attributes,
            calling_ae_title=incoming.calling_ae_title,
            association=incoming.association,
            conflict=_conflict(inbox) if found.has_others else None,
        )
        return CloudEvent(
            id=_event_id(inbox, incoming, found.life),
            type=EventType.INSTANCE_STORED,
            data=data,
            time=timestamp(time.time()),
            traceparent=inject().get(TRACEPARENT),
        )

    def _url(self, inbox: Inbox, identity: Identity) -> str:
        study, series, instance = (
            quote(uid, safe="")
            for uid in (
                identity.study_instance_uid,
                identity.series_instance_uid,
                identity.sop_instance_uid,
            )
        )
        return f"{self._base_url}/aets/{inbox.name}/studies/{study}/series/{series}/instances/{instance}"


def _conflict(inbox: Inbox) -> Literal["newest", "first"]:
    # What an inbox refuses, but has since before it did, stays what is read.
    return "newest" if inbox.conflicts is Conflicts.NEWEST else "first"


def _event_id(inbox: Inbox, incoming: Incoming, life: int) -> str:
    identity = incoming.identity
    named = (
        inbox.name,
        str(life),
        identity.study_instance_uid,
        identity.series_instance_uid,
        identity.sop_instance_uid,
        incoming.digest,
    )
    # No UID holds a NUL: `identify` takes printable characters alone.
    return hashlib.sha256("\0".join(named).encode()).hexdigest()


def _prefix(inbox: Inbox, identity: Identity) -> str:
    return inbox_prefix(
        inbox.name, identity.study_instance_uid, identity.series_instance_uid, identity.sop_instance_uid
    )


def _key(inbox: Inbox, incoming: Incoming, life: int) -> str:
    uids = incoming.identity
    return inbox_key(
        inbox.name,
        uids.study_instance_uid,
        uids.series_instance_uid,
        uids.sop_instance_uid,
        incoming.digest,
        life,
    )
