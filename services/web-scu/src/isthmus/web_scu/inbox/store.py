"""A store job of an inbox: each of its instances goes the one way in, byte for byte."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks
from isthmus.common.bus.jobs import Running
from isthmus.common.config import Inbox
from isthmus.common.dicom.statuses import (
    DUPLICATE_SOP_INSTANCE,
    INVALID_SOP_INSTANCE,
    SUCCESS,
    UNABLE_TO_PROCESS,
)
from isthmus.common.errors import (
    BlobMissing,
    ContractError,
    MalformedDataset,
    OperationFailed,
    StoreUnavailable,
)
from isthmus.common.inbox.addressable import unaddressable
from isthmus.common.inbox.deposit import Deposits, Incoming
from isthmus.common.messages import BlobRef, InstanceStored, Store
from isthmus.common.storing import Answer, Numbered, not_stored, work_off
from isthmus.web_scu.inbox.head import HEADS, incoming
from isthmus.web_scu.inbox.listed import Listed, Stored

SMALL_BYTES: Final = 4 * 1024 * 1024
"""What is held in memory; what is larger is read twice: for its digest, and to be written."""
AT_ONCE: Final = 4
"""Instances of one job."""


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
        taking = _Taking(left)

        async def take_some() -> None:
            while (one := taking.next()) is not None:
                await answer(await self._result(one, taking))

        taking_some = [asyncio.create_task(take_some()) for _ in range(min(AT_ONCE, len(left)))]
        try:
            await asyncio.gather(*taking_some)
        finally:
            await end_tasks(taking_some)
        if taking.new:
            await self._listed.wait_for(taking.new)

    async def _result(self, one: Numbered, taking: "_Taking") -> InstanceStored:
        """Take one instance; NATS in trouble is raised, all else is its result."""
        index, ref = one
        try:
            if taking.given_up is not None:
                raise taking.given_up
            await self._take(ref, taking)
        except StoreUnavailable as error:
            if not isinstance(error, BlobMissing):
                taking.given_up = error  # S3 was waited for, and the rest need not wait as long each
            return not_stored(index, ref, error)
        except MalformedDataset as error:
            return not_stored(index, ref, self._refusal(error.detail, UNABLE_TO_PROCESS))
        except (OperationFailed, ContractError) as error:  # the record of its study may not be readable
            return not_stored(index, ref, error)
        return InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, SUCCESS)

    async def _take(self, ref: BlobRef, taking: "_Taking") -> None:
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
            raise self._refusal(reason, INVALID_SOP_INSTANCE)
        deposited = await self._deposits.deposit(self._inbox, instance, write)
        if deposited.is_duplicate_uid:
            reason = "The inbox has another instance with this SOP Instance UID"
            raise self._refusal(reason, DUPLICATE_SOP_INSTANCE)
        if deposited.is_new:
            uids = instance.identity
            taking.new.add((uids.study_instance_uid, uids.sop_instance_uid, instance.digest))

    def _refusal(self, reason: str, status: int) -> OperationFailed:
        return OperationFailed(reason, origin=self._inbox.name, status=status, operation="C-STORE")

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


class _Taking:
    """What is left of a job."""

    def __init__(self, left: Sequence[Numbered]) -> None:
        self._left = iter(left)
        self.given_up: StoreUnavailable | None = None
        """Why the rest is not tried."""
        self.new: Final[set[Stored]] = set()
        """What was not there before."""

    def next(self) -> Numbered | None:
        """Give the next one."""
        return next(self._left, None)
