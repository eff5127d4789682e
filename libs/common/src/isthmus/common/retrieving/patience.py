"""Which failures of an origin pass by themselves, and how long a job waits for that."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    CircuitOpen,
    HttpOperationFailed,
    NoAcceptedContext,
    NotDelivered,
    OperationFailed,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    TruncatedAnswer,
)

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0
SECOND_TRY: Final = 0.5
_OUT_OF_RESOURCES: Final = range(0xA700, 0xA800)
"""PS3.4 C.4: out of resources, in one of several ways."""

_BUSY: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""RFC 9110 15.5.9, 15.6, RFC 6585 4."""
_MEETS_ALL: Final = (OriginUnreachable, OriginTimeout, CircuitOpen, NoAcceptedContext)
_MEETS_ALL_BY_HTTP: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_ACCEPTABLE, HTTPStatus.NOT_IMPLEMENTED}
)
_TURNED_AWAY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

R = TypeVar("R")


class InstancesFailed(OperationFailed):
    """The origin counts instances that it could not send: it is they that stand against it."""


class Patience:
    """Waits longer each time that nothing came of an ask, until the origin's time-out is used up."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._came_at = time.monotonic()
        self._pause = FIRST_PAUSE

    def came(self) -> None:
        """Say that an instance came."""
        self._came_at = time.monotonic()
        self._pause = FIRST_PAUSE

    async def wait(self, at_least: float = 0.0) -> bool:
        """Wait a little; False at once where there is no time left for another ask.

        Args:
            at_least: seconds for which the origin wants to be left alone.
        """
        pause = max(self._pause, at_least)
        if time.monotonic() + pause - self._came_at >= self._timeout:
            return False
        await asyncio.sleep(pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return True


def is_transient(error: OriginError) -> bool:
    """Tell whether the same may go well a moment later."""
    if isinstance(error, OperationFailed):
        return error.status in _OUT_OF_RESOURCES
    if isinstance(error, HttpOperationFailed):
        return error.http_status in _BUSY
    return isinstance(error, (AssociationAborted, AssociationRejected, TruncatedAnswer))


def was_turned_away(error: OriginError | None) -> bool:
    """Tell whether the origin did not even hear what it was asked, because it has enough to do."""
    if isinstance(error, HttpOperationFailed):
        return error.http_status in _TURNED_AWAY
    return isinstance(error, AssociationRejected)


def asked_to_wait(error: OriginError) -> float:
    """Give the seconds for which the origin said that it wants to be left alone (RFC 9110 10.2.3)."""
    return (error.retry_after or 0.0) if isinstance(error, HttpOperationFailed) else 0.0


def meets_all(error: OriginError | None) -> bool:
    """Tell whether whatever else is asked for would fare the same."""
    if isinstance(error, HttpOperationFailed):
        return error.http_status in _MEETS_ALL_BY_HTTP
    return isinstance(error, _MEETS_ALL)


def may_pass(error: OriginError) -> bool:
    """Tell whether a later answer may be another one; success with nothing sent is a sign of overload."""
    return isinstance(error, NotDelivered) or is_transient(error)


async def with_a_second_try(attempt: Callable[[], Awaitable[R]]) -> R:
    """Ask the origin for something small, and once more if that failed in a way that may pass.

    Raises:
        OriginError: it failed.
    """
    try:
        return await attempt()
    except OriginError as error:
        if not is_transient(error) or asked_to_wait(error) > SECOND_TRY:
            raise
    await asyncio.sleep(SECOND_TRY)
    return await attempt()
