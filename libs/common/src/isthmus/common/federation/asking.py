"""Asking all origins at the same time, each with a deadline of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

from isthmus.common.bus import end_tasks
from isthmus.common.config import Origin
from isthmus.common.errors import IsthmusError, OriginTimeout, RequestError
from isthmus.common.telemetry import get_logger

T = TypeVar("T")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Silence:
    """An origin that gave no answer, or a failure for one."""

    origin: str
    error: IsthmusError

    @property
    def warning(self) -> str:
        """What a client is told whose answer came from the others; no patient data."""
        return f"The origin {self.origin} is not included: {self.error.title}"

    def fail(self) -> NoReturn:
        """Raise its error, where there is no answer without this origin."""
        # An error that is remembered would grow by a trace back each time.
        raise self.error.with_traceback(None)


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What the origins answered, both parts in the order in which they were asked."""

    heard: tuple[tuple[Origin, T], ...]
    silent: tuple[Silence, ...]


async def ask_all(origins: Sequence[Origin], ask: Callable[[Origin], Coroutine[None, None, T]]) -> Answers[T]:
    """Ask origins at the same time, and wait for each no longer than its `search_seconds`.

    Raises:
        RequestError: as `ask` did: what is wrong with the request is wrong for all of them.
    """
    tasks = [asyncio.create_task(_ask(origin, ask)) for origin in origins]
    try:
        answers = await asyncio.gather(*tasks)
    finally:
        await end_tasks(tasks)
    pairs = list(zip(origins, answers, strict=True))
    return Answers(
        tuple((origin, answer) for origin, answer in pairs if not isinstance(answer, Silence)),
        tuple(answer for answer in answers if isinstance(answer, Silence)),
    )


async def _ask(origin: Origin, ask: Callable[[Origin], Coroutine[None, None, T]]) -> T | Silence:
    asking = asyncio.create_task(ask(origin))
    try:
        await asyncio.wait({asking}, timeout=origin.search_seconds)
        if asking.done():
            return asking.result()
        error: IsthmusError = OriginTimeout(
            f"{origin.name!r} did not answer within {origin.search_seconds:g} s", origin=origin.name
        )
    except RequestError:
        raise
    except IsthmusError as failure:
        error = failure
    finally:
        await end_tasks([asking])
    log.warning("origin not included", origin=origin.name, reason=error.title)
    return Silence(origin.name, error)
