"""S3: whether it answers, and how many studies are held there."""

import asyncio
from typing import Final

from isthmus.common.blobs import BlobStore, study_of, study_prefixes
from isthmus.common.config.settings import S3
from isthmus.common.errors import StoreUnavailable
from isthmus.common.threads import Threads

COUNT_SECONDS: Final = 1.5
"""For counting; where there are more than can be counted in that time, that is said."""
AGAIN_SECONDS: Final = 30.0
"""They are counted again no sooner."""
_THREADS: Final = 2


class Held:
    """The studies in S3, counted now and then."""

    def __init__(self, s3: S3) -> None:
        self._threads = Threads("s3", _THREADS)
        self._blobs = BlobStore(
            s3.endpoint, s3.access_key, s3.secret, s3.bucket, threads=self._threads, ca_file=s3.ca_file
        )
        self._counted: tuple[float, int, bool] | None = None

    async def healthy(self) -> bool:
        """Tell whether S3 answers us, and has the bucket."""
        return await self._blobs.healthy()

    async def studies(self) -> tuple[int, bool]:
        """Count the studies that are held, and tell whether there are more.

        Raises:
            StoreUnavailable: S3 does not tell.
        """
        now = asyncio.get_running_loop().time()
        if self._counted is None or now - self._counted[0] > AGAIN_SECONDS:
            self._counted = (now, *await self._count())
        return self._counted[1:]

    async def _count(self) -> tuple[int, bool]:
        manifests, *_ = study_prefixes()
        found: set[tuple[str, str] | None] = set()
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                async for listed in self._blobs.list(manifests, deadline=COUNT_SECONDS):
                    found.add(study_of(listed.key))
        except TimeoutError:
            if not found:
                raise StoreUnavailable(f"S3 did not list anything within {COUNT_SECONDS:g} s") from None
            return len(found - {None}), True
        return len(found - {None}), False

    def close(self) -> None:
        """Ask no more."""
        self._blobs.close()
        self._threads.close()
