"""S3: whether it answers, and how many studies are held there."""

import asyncio
from dataclasses import dataclass
from typing import Final

from isthmus.cli.status import patience
from isthmus.cli.status.model import Health
from isthmus.common.blobs import BlobStore, study_of, study_prefixes
from isthmus.common.config.settings import S3
from isthmus.common.errors import SettingsError, StoreUnavailable
from isthmus.common.threads import Threads

AGAIN_SECONDS: Final = 30.0
"""They are counted again no sooner."""
_THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Studies:
    """How many there are."""

    count: int
    is_minimum: bool
    """Whether there are more."""


@dataclass(frozen=True, slots=True)
class InS3:
    """What S3 told."""

    health: Health
    reason: str | None = None
    """Why it did not."""
    studies: Studies | None = None


class Held:
    """The studies in S3, counted now and then."""

    def __init__(self, s3: S3) -> None:
        self._s3 = s3
        self._threads = Threads("s3", _THREADS)
        self._opened: BlobStore | None = None
        self._counted: tuple[float, Studies] | None = None

    async def look(self) -> InS3:
        """Ask S3 for what is held."""
        found: set[tuple[str, str] | None] = set()
        try:
            async with asyncio.timeout(patience.LOOK_SECONDS):
                studies = await self._count(found)
        except TimeoutError:
            if not found:
                return InS3(Health.SILENT, f"no answer within {patience.LOOK_SECONDS:g} s")
            studies = Studies(len(found - {None}), is_minimum=True)
        except (StoreUnavailable, SettingsError) as error:
            return InS3(Health.AWAY, error.detail)
        return InS3(Health.READY, studies=studies)

    def _blobs(self) -> BlobStore:
        """Open it at the first look.

        Raises:
            SettingsError: `ca_file` cannot be used.
        """
        if self._opened is None:
            s3 = self._s3
            self._opened = BlobStore(
                s3.endpoint, s3.access_key, s3.secret, s3.bucket, threads=self._threads, ca_file=s3.ca_file
            )
        return self._opened

    async def _count(self, found: set[tuple[str, str] | None]) -> Studies:
        """Count; what was counted lately holds still, where S3 answers."""
        manifests, *_ = study_prefixes()
        now = asyncio.get_running_loop().time()
        lately = self._counted is not None and now - self._counted[0] < AGAIN_SECONDS
        async for listed in self._blobs().list(manifests, deadline=patience.LOOK_SECONDS / 2):
            if lately:
                break
            found.add(study_of(listed.key))
        if self._counted is None or not lately:
            self._counted = now, Studies(len(found - {None}), is_minimum=False)
        return self._counted[1]

    def close(self) -> None:
        """Ask no more."""
        if self._opened is not None:
            self._opened.close()
        self._threads.close()
