"""One listing, told by one span: who reads it may take hours between two pages, or want no second one."""

import time
from collections.abc import Awaitable, Iterator, Sized
from contextlib import contextmanager
from typing import Final, Self, TypeVar

from isthmus.common.errors import IsthmusError
from isthmus.common.telemetry import AttributeValue, SpanKind, current_context, tell_span
from isthmus.common.telemetry.attributes import S3_BUCKET, S3_OBJECTS, S3_SECONDS

P = TypeVar("P", bound=Sized)

_SECOND: Final = 1_000_000_000


class Listing:
    """Waits for the pages, and counts what is in them and how long that took."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._context = current_context()
        self._began = time.time_ns()
        self._count = 0
        self._nanoseconds = 0
        self._error: IsthmusError | None = None

    @classmethod
    @contextmanager
    def told(cls, bucket: str) -> Iterator[Self]:
        """Tell of all pages until the end of the block, in a span inside of the current one."""
        listing = cls(bucket)
        try:
            yield listing
        finally:
            listing._tell()

    async def page(self, asking: Awaitable[P]) -> P:
        """Wait for the next page.

        Raises:
            IsthmusError: there is none.
        """
        began = time.time_ns()
        try:
            page = await asking
        except IsthmusError as error:
            self._error = error
            raise
        finally:
            self._nanoseconds += time.time_ns() - began
        self._count += len(page)
        return page

    def _tell(self) -> None:
        told: dict[str, AttributeValue] = {
            S3_BUCKET: self._bucket,
            S3_OBJECTS: self._count,
            S3_SECONDS: self._nanoseconds / _SECOND,
        }
        tell_span(
            "S3 list", told, kind=SpanKind.CLIENT, began=self._began, context=self._context, error=self._error
        )
