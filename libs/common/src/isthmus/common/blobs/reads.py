"""Many reads for one answer, told by one span: a span for each costs a tenth of what a quick read does."""

import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, Self

from isthmus.common.errors import IsthmusError
from isthmus.common.telemetry import AttributeValue, SpanKind, current_context, tell_span
from isthmus.common.telemetry.attributes import S3_BUCKET, S3_OBJECTS, S3_SECONDS, S3_SIZE

LONG_SECONDS: Final = 0.1
_SECOND: Final = 1_000_000_000


class Reads:
    """Reads of whole blobs; one that takes long, or fails, has a span of its own beside that of all."""

    def __init__(self) -> None:
        self._context = current_context()
        self._began = 0
        self._count = 0
        self._size = 0
        self._nanoseconds = 0

    @classmethod
    @contextmanager
    def together(cls) -> Iterator[Self]:
        """Tell of all reads until the end of the block, in a span inside of the current one."""
        reads = cls()
        try:
            yield reads
        finally:
            reads._tell()

    async def one(self, bucket: str, reading: Awaitable[bytes]) -> bytes:
        """Wait for a read from a bucket.

        Raises:
            IsthmusError: it failed.
        """
        began = time.time_ns()
        try:
            data = await reading
        except IsthmusError as error:
            self._tell_one(bucket, began, error=error)
            raise
        took = time.time_ns() - began
        self._began = self._began or began
        self._count += 1
        self._size += len(data)
        self._nanoseconds += took
        if took >= LONG_SECONDS * _SECOND:
            self._tell_one(bucket, began, size=len(data))
        return data

    def _tell_one(self, bucket: str, began: int, *, size: int = 0, error: IsthmusError | None = None) -> None:
        told: dict[str, AttributeValue] = {S3_BUCKET: bucket, S3_SIZE: size}
        tell_span("S3 get", told, kind=SpanKind.CLIENT, began=began, context=self._context, error=error)

    def _tell(self) -> None:
        if self._count:
            told = {
                S3_OBJECTS: self._count,
                S3_SIZE: self._size,
                S3_SECONDS: self._nanoseconds / _SECOND,
            }
            tell_span("S3 get", told, kind=SpanKind.CLIENT, began=self._began, context=self._context)
