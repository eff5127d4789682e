"""A store job of a bucket: each instance under the key of its pattern, and nothing is overwritten."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Final
from weakref import WeakValueDictionary

from isthmus.common.blobs import BlobStore, Exists
from isthmus.common.bus import Bus
from isthmus.common.bus.jobs import Running
from isthmus.common.config import S3Origin
from isthmus.common.config.key_pattern import Place
from isthmus.common.dicom.statuses import DUPLICATE_SOP_INSTANCE, INVALID_SOP_INSTANCE
from isthmus.common.errors import BlobMissing, BlobRefused
from isthmus.common.inbox.addressable import unaddressable
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.messages import BlobRef, Retrieve, Store
from isthmus.common.storing import Answer, Numbered, work_off
from isthmus.common.telemetry import get_logger
from isthmus.web_scu.bucket.heads import read_head
from isthmus.web_scu.bucket.refresh import Refresher
from isthmus.web_scu.bucket.sameness import same_content
from isthmus.web_scu.bucket.stored_into import KnownBefore, ListedAfter, Where
from isthmus.web_scu.taking import Taking, refusal

SMALL_BYTES: Final = 4 * 1024 * 1024
"""What is held in memory; what is larger passes through it."""
WRITTEN_AT_ONCE: Final = 8
"""Instances, of all jobs of a bucket."""

log = get_logger(__name__)


class BucketStoreWork:
    """Works on the store jobs of one bucket."""

    def __init__(
        self, bus: Bus, blobs: BlobStore, bucket: BlobStore, origin: S3Origin, refresher: Refresher
    ) -> None:
        self._bus = bus
        self._blobs = blobs
        self._bucket = bucket
        self._origin = origin
        self._refresher = refresher
        self._catalogue = CatalogueWithInboxes(blobs, bus, (), (origin.name,))
        self._before = KnownBefore(self._known)
        self._after = ListedAfter(origin.name, refresher.refresh)
        self._room = asyncio.Semaphore(WRITTEN_AT_ONCE)
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        """By study and instance: two that name different series have different keys."""

    async def __call__(self, running: Running[Store]) -> None:
        """Write every instance, publish what became of each, then the end, when searches find what is new.

        What a dead worker wrote without saying so is there already, and is the same.

        Raises:
            UnavailableError: NATS is away; the job is delivered again.
        """
        await work_off(self._bus, self._blobs, running, self._answer_all)

    async def _answer_all(self, left: Sequence[Numbered], answer: Answer) -> None:
        written: set[str] = set()

        async def take(ref: BlobRef) -> None:
            async with self._room:
                written.add(await self._take(ref))

        await Taking(self._origin.name, take).run(left, answer)
        for study in written:
            await self._after.list(study)

    async def _take(self, ref: BlobRef) -> str:
        """Write an instance, and give its study."""
        uids = (await read_head(self._blobs, ref.key, ref.size, "")).identity
        reason = unaddressable(uids)
        if reason is not None:
            raise refusal(self._origin.name, reason, INVALID_SOP_INSTANCE)
        place = Place(uids.study_instance_uid, uids.series_instance_uid, uids.sop_instance_uid)
        async with self._turns.setdefault((place.study, place.instance), asyncio.Lock()):
            await self._take_at(ref, place)
        return place.study

    async def _take_at(self, ref: BlobRef, place: Place) -> None:
        known = await self._before.of(place.study)
        there = known.get(place.instance)
        if there is not None:
            with suppress(BlobMissing):  # then it is gone meanwhile, and is written
                await self._check_same(ref, *there)
                return
        key = self._origin.key_pattern.key_of(place)
        if not await self._write(ref, key):
            await self._check_same(ref, self._bucket, key)
        known[place.instance] = self._bucket, key

    async def _check_same(self, ref: BlobRef, store: BlobStore, key: str) -> None:
        """Make sure that what is there is what is to be stored: its data set, byte for byte.

        What stands before that differs by who sent it last (PS3.10 7.1).
        """
        if await same_content(store, key, self._blobs, ref.key):
            return
        reason = "The bucket has another instance with this SOP Instance UID"
        raise refusal(self._origin.name, reason, DUPLICATE_SOP_INSTANCE)

    async def _known(self, study: str) -> Where:
        """Tell where what the bucket has of a study is found.

        It may lie under other keys than we would write: with a `.dcm` at their end, or in another series.
        """
        with suppress(BlobRefused):  # who may only write
            await self._refresher.refresh(study)
        manifest = await self._catalogue.load(self._origin.name, study)
        if manifest is None:
            return {}
        blobs = manifest.blobs(Retrieve(self._origin.name, study))
        return {blob.sop_instance_uid: (self._blobs, blob.key) for blob in blobs}

    async def _write(self, ref: BlobRef, key: str) -> bool:
        """Write it where nothing is; tell whether there was nothing."""
        if ref.size <= SMALL_BYTES:
            return await self._bucket.create(key, await self._blobs.get(ref.key))
        try:
            async with (
                aclosing(self._blobs.stream(ref.key)) as chunks,
                self._bucket.sink(key, only_new=True) as sink,
            ):
                async for chunk in chunks:
                    await sink.write(chunk)
        except Exists:
            return False
        return True
