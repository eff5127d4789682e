"""A store job of an inbox: each of its instances goes the one way in, byte for byte."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.jobs import Running
from isthmus.common.config import Inbox
from isthmus.common.dicom.statuses import DUPLICATE_SOP_INSTANCE, INVALID_SOP_INSTANCE
from isthmus.common.errors import MalformedDataset
from isthmus.common.inbox.addressable import unaddressable
from isthmus.common.inbox.deposit import Deposits, Incoming
from isthmus.common.messages import BlobRef, Store
from isthmus.common.storing import Answer, Numbered, work_off
from isthmus.web_scu.inbox.head import HEADS, incoming
from isthmus.web_scu.inbox.listed import Listed, Stored
from isthmus.web_scu.taking import Taking, refusal

SMALL_BYTES: Final = 4 * 1024 * 1024
"""What is held in memory; what is larger is read twice: for its digest, and to be written."""


class StoreWork:
    """Works on the store jobs of one inbox."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: Inbox, deposits: Deposits) -> None:
        self._bus = bus
        self._blobs = blobs
        self._inbox = inbox
        self._deposits = deposits
        self._listed = Listed(bus, blobs, inbox.name)

    async def __call__(self, running: Running[Store]) -> None:
        """Take every instance, publish what became of each, then the end.

        The end comes when what is new can be found, if that is soon. What a dead worker took without saying
        so is taken again, which makes no second event.

        Raises:
            UnavailableError: NATS is away; the job is delivered again.
        """
        await work_off(self._bus, self._blobs, running, self._answer_all)

    async def _answer_all(self, left: Sequence[Numbered], answer: Answer) -> None:
        new: set[Stored] = set()

        async def take(ref: BlobRef) -> None:
            stored = await self._take(ref)
            if stored is not None:
                new.add(stored)

        await Taking(self._inbox.name, take).run(left, answer)
        if new:
            await self._listed.wait_for(new)

    async def _take(self, ref: BlobRef) -> Stored | None:
        """Take an instance; None where it was there before."""
        if ref.size <= SMALL_BYTES:
            data = await self._blobs.get(ref.key)
            instance = incoming(data, ref.size, hashlib.sha256(data).hexdigest())
        else:
            data = None
            instance = await self._described(ref)

        async def write(key: str) -> None:
            if data is not None:
                await self._blobs.put(key, data)
            else:
                await self._copy(ref, key)

        reason = unaddressable(instance.identity)
        if reason is not None:
            raise refusal(self._inbox.name, reason, INVALID_SOP_INSTANCE)
        deposited = await self._deposits.deposit(self._inbox, instance, write)
        if deposited.is_duplicate_uid:
            reason = "The inbox has another instance with this SOP Instance UID"
            raise refusal(self._inbox.name, reason, DUPLICATE_SOP_INSTANCE)
        if not deposited.is_new:
            return None
        return instance.identity.study_instance_uid, instance.identity.sop_instance_uid, instance.digest

    async def _described(self, ref: BlobRef) -> Incoming:
        """Describe a large instance by its beginning: by more of it, where that does not tell."""
        digest = await self._digest(ref)
        few, many = HEADS
        try:
            return incoming(await self._blobs.get(ref.key, length=few), ref.size, digest)
        except MalformedDataset:
            head = await self._blobs.get(ref.key, length=min(many, ref.size))
            return await asyncio.to_thread(incoming, head, ref.size, digest)

    async def _digest(self, ref: BlobRef) -> str:
        digest = hashlib.sha256()
        async with aclosing(self._blobs.stream(ref.key)) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    async def _copy(self, ref: BlobRef, key: str) -> None:
        # The key holds the digest: another sender of these bytes may have been told that they are there.
        async with (
            aclosing(self._blobs.stream(ref.key)) as chunks,
            self._blobs.sink(key, is_shared=True) as sink,
        ):
            async for chunk in chunks:
                await sink.write(chunk)
