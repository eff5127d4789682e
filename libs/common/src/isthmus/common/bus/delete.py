"""Deleting from an inbox: asked by whoever may."""

from collections.abc import Awaitable, Callable

from isthmus.common.auth import Right
from isthmus.common.bus import subjects
from isthmus.common.bus.client import Bus, Serving
from isthmus.common.bus.granted import Guarded
from isthmus.common.messages import Delete, Deleted, Failure


def _guarded(inbox: str) -> Guarded:
    return Guarded(inbox, Right.DELETE, lambda error: Deleted(0, Failure.of(error)))


async def request_deletion(bus: Bus, delete: Delete, timeout: float) -> Deleted:
    """Have an inbox's worker delete; waits for `timeout` seconds.

    Raises:
        NoWorker: nobody serves the inbox.
        BusUnavailable: no answer in time, or NATS is away; some of it may still be there.
    """
    subject = subjects.delete(delete.origin)
    return await bus.request(subject, delete, Deleted, timeout, guarded=_guarded(delete.origin))


async def serve_deletions(bus: Bus, inbox: str, handler: Callable[[Delete], Awaitable[Deleted]]) -> Serving:
    """Delete what is asked for, in a queue group with the inbox's other workers.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    return await bus.serve(subjects.delete(inbox), "workers", handler, Delete, guarded=_guarded(inbox))
