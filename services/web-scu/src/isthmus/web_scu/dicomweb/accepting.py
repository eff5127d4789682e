"""What a server is told that we take: instances as they are held, where it understands that."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

from isthmus.common.errors import HttpOperationFailed
from isthmus.common.telemetry import get_logger

AS_HELD: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""In whichever transfer syntax it is (PS3.18 8.7.3.5.2)."""
BY_DEFAULT: Final = 'multipart/related; type="application/dicom"'
"""Explicit VR Little Endian: what a server sends that is told nothing else (PS3.18 8.7.3.4)."""
_NOT_UNDERSTOOD: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
)

R = TypeVar("R")

log = get_logger(__name__)


class Accepting:
    """What is known of one server: which Accept it understands.

    One that has taken the better one is asked by the other only for what it did not send so.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._as_held: bool | None = None
        """Whether it sends instances as they are held, once that is known."""

    async def first_taken(self, retrieve: Callable[[str], Awaitable[R]]) -> R:
        """Retrieve with the best Accept that the server takes.

        Raises:
            OriginError: as `retrieve` does, with what was tried first.
        """
        if self._as_held is False:
            return await retrieve(BY_DEFAULT)
        try:
            retrieved = await retrieve(AS_HELD)
        except HttpOperationFailed as error:
            if error.http_status not in _NOT_UNDERSTOOD:
                raise
            refusal = error
        else:
            self._as_held = True
            return retrieved
        try:
            retrieved = await retrieve(BY_DEFAULT)
        except HttpOperationFailed:
            raise refusal from None
        log.warning("instances come transcoded", origin=self._origin, http_status=refusal.http_status)
        self._as_held = bool(self._as_held)
        return retrieved
