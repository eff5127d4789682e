"""Whether an inbox answers: the records of its studies, and S3."""

import asyncio

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.errors import IsthmusError, StoreUnavailable
from isthmus.common.inbox.state import States
from isthmus.common.messages import Echo, EchoDone, Failure


class EchoWork:
    """Answers `dicom.echo` of one inbox."""

    def __init__(self, bus: Bus, blobs: BlobStore, inbox: str) -> None:
        self._states = States(bus)
        self._blobs = blobs
        self._inbox = inbox

    async def __call__(self, _: Echo) -> EchoDone:
        """Ask for the record of a study that cannot be, and for the bucket."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        failure = None
        try:
            _, is_healthy = await asyncio.gather(self._states.get(self._inbox, ""), self._blobs.healthy())
            if not is_healthy:
                failure = Failure.of(StoreUnavailable("S3 does not answer"))
        except IsthmusError as error:
            failure = Failure.of(error)
        return EchoDone((loop.time() - begun) * 1000, failure)
