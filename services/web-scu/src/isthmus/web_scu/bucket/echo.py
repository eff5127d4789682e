"""Whether a bucket answers."""

import asyncio

from isthmus.common.blobs import BlobStore
from isthmus.common.errors import OriginUnreachable
from isthmus.common.messages import Echo, EchoDone, Failure


class BucketEchoWork:
    """Answers `dicom.echo` of one bucket."""

    def __init__(self, bucket: BlobStore, origin: str) -> None:
        self._bucket = bucket
        self._origin = origin

    async def __call__(self, _: Echo) -> EchoDone:
        """Ask whether the bucket is there, and ours to ask for."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        failure = None
        if not await self._bucket.healthy():
            error = OriginUnreachable("Its S3 does not answer, or has no such bucket", origin=self._origin)
            failure = Failure.of(error)
        return EchoDone((loop.time() - begun) * 1000, failure)
