"""A store job of a bucket: each instance under the key of its pattern, and nothing is overwritten."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Final

from isthmus.common.blobs import BlobStore, Exists
from isthmus.common.bus import Bus
from isthmus.common.bus.jobs import Running
from isthmus.common.config import S3Origin
from isthmus.common.config.key_pattern import Place
from isthmus.common.dicom.statuses import DUPLICATE_SOP_INSTANCE, INVALID_SOP_INSTANCE
from isthmus.common.errors import BlobRefused, BusUnavailable, IsthmusError
from isthmus.common.inbox.addressable import unaddressable
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.messages import BlobRef, Retrieve, Store
from isthmus.common.storing import Answer, Numbered, work_off
from isthmus.common.telemetry import get_logger
from isthmus.web_scu.bucket.heads import read_head
from isthmus.web_scu.bucket.refresh import Refresher
from isthmus.web_scu.bucket.sameness import same_content
from isthmus.web_scu.taking import Taking, refusal

SMALL_BYTES: Final = 4 * 1024 * 1024
"""What is held in memory; what is larger passes through it."""

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

    async def __call__(self, running: Running[Store]) -> None:
        """Write every instance, publish what became of each, then the end, when searches find what is new.

        What a dead worker wrote without saying so is there already, and is the same.

        Raises:
            UnavailableError: NATS is away; the job is delivered again.
        """
        await work_off(self._bus, self._blobs, running, self._answer_all)

    async def _answer_all(self, left: Sequence[Numbered], answer: Answer) -> None:
        studies = _Studies(self._known)

        async def take(ref: BlobRef) -> None:
            await self._take(ref, studies)

        await Taking(self._origin.name, take).run(left, answer)
        for study in studies.written:
            await self._list(study)

    async def _list(self, study: str) -> None:
        try:
            await self._refresher.refresh(study)
        except BusUnavailable:
            raise
        except IsthmusError as error:  # it is safe all the same, and found later
            log.warning("stored, but not yet listed", origin=self._origin.name, detail=error.detail)

    async def _take(self, ref: BlobRef, studies: "_Studies") -> None:
        uids = (await read_head(self._blobs, ref.key, ref.size, "")).identity
        reason = unaddressable(uids)
        if reason is not None:
            raise refusal(self._origin.name, reason, INVALID_SOP_INSTANCE)
        place = Place(uids.study_instance_uid, uids.series_instance_uid, uids.sop_instance_uid)
        there = await studies.there(place)
        if there is not None:
            await self._check_same(ref, self._blobs, there)
        else:
            key = self._origin.key_pattern.key_of(place)
            if not await self._write(ref, key):
                await self._check_same(ref, self._bucket, key)
        studies.written.add(place.study)

    async def _check_same(self, ref: BlobRef, store: BlobStore, key: str) -> None:
        """Make sure that what is there is what is to be stored: its data set, byte for byte.

        What stands before that differs by who sent it last (PS3.10 7.1).
        """
        if await same_content(store, key, self._blobs, ref.key):
            return
        reason = "The bucket has another instance with this SOP Instance UID"
        raise refusal(self._origin.name, reason, DUPLICATE_SOP_INSTANCE)

    async def _known(self, study: str) -> Mapping[str, str]:
        """Give the keys, as blob refs have them, of what the bucket has of a study, by SOP Instance UID.

        It may lie under other keys than we would write: with a `.dcm` at their end, or in another series.
        """
        with suppress(BlobRefused):  # who may only write
            await self._refresher.refresh(study)
        manifest = await self._catalogue.load(self._origin.name, study)
        if manifest is None:
            return {}
        blobs = manifest.blobs(Retrieve(self._origin.name, study))
        return {blob.sop_instance_uid: blob.key for blob in blobs}

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


class _Studies:
    """What the bucket had of the studies of one job when it came to them."""

    def __init__(self, known: Callable[[str], Awaitable[Mapping[str, str]]]) -> None:
        self._ask = known
        self._asking = asyncio.Lock()
        self._known: dict[str, Mapping[str, str]] = {}
        self.written: Final[set[str]] = set()
        """Those of which something is there now that the job is of."""

    async def there(self, place: Place) -> str | None:
        """Give the key of an instance, as a blob ref has it; None where it is not there."""
        async with self._asking:
            if place.study not in self._known:
                self._known[place.study] = await self._ask(place.study)
        return self._known[place.study].get(place.instance)
