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
ALONE_AS_HELD: Final = "application/dicom; transfer-syntax=*"
"""One instance without multipart, which is all that some servers send: dcmjs' own, AWS HealthImaging."""
ALONE_BY_DEFAULT: Final = "application/dicom"
_SEVERAL: Final = (AS_HELD, BY_DEFAULT)
_ALONE: Final = (*_SEVERAL, ALONE_AS_HELD, ALONE_BY_DEFAULT)
_TRANSCODED: Final = frozenset({BY_DEFAULT, ALONE_BY_DEFAULT})
_NOT_UNDERSTOOD: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
)

R = TypeVar("R")

log = get_logger(__name__)


class Accepting:
    """What is known of one server: which Accept it understands.

    One that has taken a better one is asked by the others only for what it did not send so.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._taken: dict[bool, str] = {}
        """What it took first, of a single instance and of several."""

    async def first_taken(self, retrieve: Callable[[str], Awaitable[R]], *, alone: bool = False) -> R:
        """Retrieve with the best Accept that the server takes.

        Args:
            retrieve: sends a request with it.
            alone: whether what is asked for is a single instance, which may come without multipart.

        Raises:
            OriginError: as `retrieve` does, with what was tried first.
        """
        refusal: HttpOperationFailed | None = None
        for accept in self._choices(alone=alone):
            try:
                retrieved = await retrieve(accept)
            except HttpOperationFailed as error:
                if error.http_status not in _NOT_UNDERSTOOD:
                    raise refusal or error from None
                refusal = refusal or error
            else:
                if refusal is not None and accept in _TRANSCODED:
                    log.warning(
                        "instances come transcoded", origin=self._origin, http_status=refusal.http_status
                    )
                self._taken.setdefault(alone, accept)
                return retrieved
        raise refusal or AssertionError

    def _choices(self, *, alone: bool) -> tuple[str, ...]:
        """Give what may be taken, the best first; what was refused before something was taken is not."""
        taken = self._taken.get(alone) or self._taken.get(not alone)
        if not alone:
            return _SEVERAL[_SEVERAL.index(taken) :] if taken in _SEVERAL else _SEVERAL
        if taken in _SEVERAL:  # who sends parts is not asked for anything else
            return _SEVERAL[_SEVERAL.index(taken) :]
        return _ALONE[_ALONE.index(taken) :] if taken else _ALONE
