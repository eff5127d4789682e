"""Whether a bucket answers."""

import asyncio
from contextlib import aclosing
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.config import S3Origin
from isthmus.common.errors import OriginUnreachable, StoreUnavailable
from isthmus.common.messages import Echo, EchoDone, Failure

WITHIN_SECONDS: Final = 3.0


class BucketEchoWork:
    """Answers `dicom.echo` of one bucket."""

    def __init__(self, bucket: BlobStore, origin: S3Origin) -> None:
        self._bucket = bucket
        self._origin = origin

    async def __call__(self, _: Echo) -> EchoDone:
        """Ask whether the bucket is there, and ours to list."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        failure = None
        try:
            await check_answers(self._bucket, self._origin)
        except StoreUnavailable as error:
            failure = Failure.of(OriginUnreachable(error.detail, origin=self._origin.name))
        return EchoDone((loop.time() - begun) * 1000, failure)


async def check_answers(bucket: BlobStore, origin: S3Origin) -> None:
    """Make sure that a bucket can be listed where its instances are.

    Rights may be for that folder alone: whether the bucket is there is nothing that we must be let to ask.

    Raises:
        StoreUnavailable: it cannot, within some seconds; says why.
    """
    listed = bucket.list(origin.key_pattern.root, deadline=WITHIN_SECONDS)
    try:
        async with asyncio.timeout(WITHIN_SECONDS + 1), aclosing(listed):  # its threads may all be stuck
            await anext(listed, None)
    except TimeoutError:
        raise StoreUnavailable(f"The bucket of {origin.name!r}: no answer") from None
