"""What an origin sends because a C-MOVE of ours asked for it: scp takes it, and asks whoever retrieves."""

from collections.abc import Awaitable, Callable

from isthmus.common.auth import Right, acting_as
from isthmus.common.bus import subjects
from isthmus.common.bus.client import Bus, Serving
from isthmus.common.bus.granted import Guarded
from isthmus.common.dicom.statuses import NOT_AUTHORIZED
from isthmus.common.messages import Received, ReceivedAnswer


def _guarded(origin: str) -> Guarded:
    return Guarded(origin, Right.RETRIEVE, lambda _: ReceivedAnswer(NOT_AUTHORIZED))


async def offer(bus: Bus, origin: str, study: str, received: Received) -> ReceivedAnswer:
    """Offer an instance to whoever retrieves its study from an origin; by ourselves, whoever has sent it.

    Raises:
        NoWorker: nobody does.
        BusUnavailable: no answer in time, or NATS is away.
    """
    subject = subjects.received(origin, study)
    with acting_as(None):
        return await bus.request(subject, received, ReceivedAnswer, guarded=_guarded(origin))


async def serve_received(
    bus: Bus, origin: str, study: str, handler: Callable[[Received], Awaitable[ReceivedAnswer]]
) -> Serving:
    """Take what comes of a study; the server knows of it when this returns.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    return await bus.serve(subjects.received(origin, study), "", handler, Received, guarded=_guarded(origin))
