"""Instances on their way from the origin into S3, and then onto the progress of their job."""

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from enum import StrEnum
from itertools import count
from threading import Lock
from types import MappingProxyType
from typing import Final

from isthmus.common.blobs import BlobStore, digest_of, held_key, size_of
from isthmus.common.bus import Bus, progress, subjects
from isthmus.common.dicom.raw_bytes import RawBytes
from isthmus.common.errors import BusUnavailable, IsthmusError, UnavailableError
from isthmus.common.messages import BlobRef, InstanceReady, Retrieve
from isthmus.common.retrieving.received import Received, ReceivedDataset, ReceivedFile
from isthmus.common.retrieving.room import Room
from isthmus.common.telemetry import get_logger
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_METHOD
from isthmus.common.telemetry.instruments import retrieve_instances, retrieve_size
from isthmus.common.threads import LoopStopped, run_coroutine_from_thread

PUTS_AT_ONCE: Final = 4
HELD_AT_ONCE: Final = 16
"""Instances that are being put, or wait for it. More make the origin wait."""
HELD_BYTES: Final = 32 * 1024 * 1024
"""And how large those that are in memory may be together."""
PUBLISH_SECONDS: Final = 10.0

log = get_logger(__name__)


class Method(StrEnum):
    """How an instance came."""

    C_GET = "c-get"
    C_MOVE = "c-move"
    WADO = "wado"


class Delivery:
    """What one job has received: each instance once in S3, and published when it is there."""

    def __init__(self, bus: Bus, blobs: BlobStore, wanted: Retrieve, generation: str) -> None:
        self._bus = bus
        self._blobs = blobs
        self._wanted = wanted
        self._generation = generation
        self._subject = subjects.progress(wanted.origin, wanted.study, generation)
        self._loop = asyncio.get_running_loop()
        self._putting = ThreadPoolExecutor(PUTS_AT_ONCE, thread_name_prefix="put")
        self._room = Room(HELD_AT_ONCE, HELD_BYTES)
        self._lock = Lock()
        self._under_way: set[Future[None]] = set()
        self._failure: UnavailableError | None = None
        self.received: set[str] = set()
        """SOP Instance UIDs that are in S3, and published in this generation or remembered."""
        self._refs: dict[str, BlobRef] = {}
        self._arrivals = count(1)
        self._arrived: dict[str, int] = {}

    @property
    def blobs(self) -> Mapping[str, BlobRef]:
        """What is in S3 of each SOP Instance UID received: the newest, where it came with different bytes."""
        return MappingProxyType(self._refs)

    @property
    def has_come(self) -> bool:
        """Whether the origin has sent anything in this generation."""
        return bool(self._arrived)

    def remember(self, blobs: Iterable[BlobRef]) -> None:
        """Take note of what is in S3 from before, and known to readers: it is not announced again."""
        for blob in blobs:
            uid = blob.sop_instance_uid
            if uid not in self._arrived:
                self._refs[uid] = blob
                self.received.add(uid)

    def take_dataset(self, dataset: RawBytes, transfer_syntax_uid: str) -> bool:
        """Take an instance that came as a data set alone (PS3.7 9.1.1); waits while there is no room for it.

        For threads. It is put while the next one comes; what became of it, `settle` tells. False once
        anything could not be kept: nothing more is taken then.
        """
        return self._take(ReceivedDataset(dataset, transfer_syntax_uid), Method.C_GET)

    def take_file(self, file: RawBytes) -> bool:
        """Take an instance that came as a Part 10 file (PS3.18 8.7.3.1), in the same way."""
        return self._take(ReceivedFile(file), Method.WADO)

    def _take(self, instance: Received, method: Method) -> bool:
        size = instance.in_memory
        if self._failure is not None or not self._room.enter(size):
            return False

        def kept(future: Future[None]) -> None:
            self._room.leave(size)
            with self._lock:
                self._under_way.discard(future)

        try:
            future = self._putting.submit(
                copy_context().run, self._keep, instance, method, next(self._arrivals)
            )
        except RuntimeError:  # closed since there was room
            self._room.leave(size)
            return False
        with self._lock:
            self._under_way.add(future)
        future.add_done_callback(kept)
        return True

    def _keep(self, instance: Received, method: Method, arrival: int) -> None:
        if self._failure is not None:  # since this one was taken: each would wait for S3 until its deadline
            return
        try:
            blob = self._put(instance)
            if blob is not None:
                announcing = self._announce(blob, method, arrival)
                run_coroutine_from_thread(announcing, self._loop, PUBLISH_SECONDS)
        except UnavailableError as error:
            self._failure = error
        except (TimeoutError, LoopStopped):
            self._failure = BusUnavailable("dicom.progress: no answer in time")
        except IsthmusError as error:
            # It stays among the missing, and is asked for again.
            log.warning("instance not kept", origin=self._wanted.origin, detail=error.detail)
        except Exception:  # the edge of a thread of ours: the instance stays among the missing
            log.exception("instance not kept", origin=self._wanted.origin)

    def _put(self, instance: Received) -> BlobRef | None:
        identity, syntax, data = instance.read()
        if identity.study_instance_uid != self._wanted.study:
            log.warning("instance of another study dropped", origin=self._wanted.origin)
            return None
        # Of the header too: another release of ours may write another one, and no blob is written over.
        digest = digest_of(data)
        series = identity.series_instance_uid
        key = held_key(self._wanted.origin, self._wanted.study, series, identity.sop_instance_uid, digest)
        known = self._refs.get(identity.sop_instance_uid)
        if known is not None and known.key == key:
            return None
        self._blobs.put_blocking(key, data)
        return BlobRef(
            bucket=self._blobs.bucket,
            key=key,
            size=size_of(data),
            study_instance_uid=identity.study_instance_uid,
            series_instance_uid=series,
            sop_instance_uid=identity.sop_instance_uid,
            sop_class_uid=identity.sop_class_uid,
            transfer_syntax_uid=syntax,
        )

    async def announce(self, blob: BlobRef) -> None:
        """Publish that an instance is in S3, the first time: scp has put it there, by a C-MOVE of ours.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        await self._announce(blob, Method.C_MOVE, next(self._arrivals))

    async def _announce(self, blob: BlobRef, method: Method, arrival: int) -> None:
        uid = blob.sop_instance_uid
        if uid not in self.received:
            message_id = f"{self._generation}.{subjects.token(uid)}"
            await progress.publish(self._bus, self._subject, InstanceReady(blob), message_id)
            self.received.add(uid)
            labels = {DICOM_ORIGIN: self._wanted.origin, ISTHMUS_METHOD: method.value}
            retrieve_instances.add(1, labels)
            retrieve_size.add(blob.size, labels)
        known = self._refs.get(uid)
        if known is not None and known.key != blob.key:
            log.warning("instance sent twice, with other bytes", origin=self._wanted.origin)
        if arrival > self._arrived.get(uid, 0):
            self._arrived[uid] = arrival
            self._refs[uid] = blob

    async def settle(self) -> None:
        """Wait until everything taken is in S3 and published.

        Raises:
            UnavailableError: something could not be kept.
        """
        with self._lock:
            under_way = [asyncio.wrap_future(future) for future in self._under_way]
        if under_way:
            await asyncio.gather(*under_way)
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Take nothing more, and drop what is not being put yet; any thread that waits to deliver goes on."""
        self._room.close()
        self._putting.shutdown(wait=False, cancel_futures=True)
