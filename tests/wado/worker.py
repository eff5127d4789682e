"""A worker that does as the test tells it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import nats.errors
import pydicom

from isthmus.common.blobs import BlobStore, held_key
from isthmus.common.bus import Bus, progress, subjects
from isthmus.common.bus.jobs import Running
from isthmus.common.messages import (
    BlobRef,
    Failure,
    InstanceReady,
    Lacking,
    MissingInstance,
    Retrieve,
    RetrieveDone,
)
from tests.data_sets import identity, transfer_syntax


async def put(blobs: BlobStore, origin: str, content: bytes) -> BlobRef:
    """Put an instance into S3."""
    who = identity(content)
    key = held_key(
        origin,
        who.study_instance_uid,
        who.series_instance_uid,
        who.sop_instance_uid,
        sha256(content).hexdigest(),
    )
    await blobs.put(key, content)
    ds = pydicom.dcmread(BytesIO(content), force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    return BlobRef(
        blobs.bucket,
        key,
        len(content),
        who.study_instance_uid,
        who.series_instance_uid,
        who.sop_instance_uid,
        ds.SOPClassUID,
        transfer_syntax(content),
    )


class Job:
    """A retrieve job in the hands of the worker."""

    def __init__(self, bus: Bus, blobs: BlobStore, running: Running[Retrieve]) -> None:
        self.wanted = running.job
        self._bus = bus
        self._blobs = blobs
        self._generation = running.generation
        self._completed = 0

    async def deliver(self, *files: Path | bytes) -> None:
        """Put instances into S3, and say of each that it is there."""
        for file in files:
            content = file if isinstance(file, bytes) else file.read_bytes()
            await self.announce(await put(self._blobs, self.wanted.origin, content))

    async def announce(self, blob: BlobRef) -> None:
        """Say that a blob is there."""
        self._completed += 1
        await self._publish(InstanceReady(blob), str(self._completed))

    async def lack(self, *missing: MissingInstance, failure: Failure) -> None:
        """Say what is known to be undeliverable."""
        await self._publish(Lacking(missing, failure), "lacking")

    async def end(self, *missing: MissingInstance, failure: Failure | None = None) -> None:
        """End the job."""
        await self._publish(RetrieveDone(self._completed, missing, failure), "done")

    async def nobody_waits(self) -> None:
        """Ask whether anyone is interested, until nobody answers."""
        subject = subjects.interest(self.wanted.origin, self.wanted.study, self._generation)
        while True:
            with suppress(nats.errors.TimeoutError):  # whoever was there leaves just now
                try:
                    await self._bus.client.request(subject, timeout=1)
                except nats.errors.NoRespondersError:
                    return

    async def _publish(self, fact: object, number: str) -> None:
        subject = subjects.progress(self.wanted.origin, self.wanted.study, self._generation)
        await progress.publish(self._bus, subject, fact, f"{self._generation}.{number}")


Script = Callable[[Job], Awaitable[None]]
