"""Whether an origin answers: asked by whoever may do anything there."""

from collections.abc import Awaitable, Callable

from isthmus.common.bus import subjects
from isthmus.common.bus.client import Bus, Serving
from isthmus.common.bus.granted import Guarded
from isthmus.common.messages import Echo, EchoDone, Failure


def _guarded(origin: str) -> Guarded:
    return Guarded(origin, None, lambda error: EchoDone(0.0, Failure.of(error)))


async def echo(bus: Bus, origin: str, timeout: float) -> EchoDone:
    """Have an origin's worker ask whether it answers; waits for `timeout` seconds.

    Raises:
        NoWorker: nobody serves the origin.
        BusUnavailable: no answer in time, or NATS is away.
    """
    subject = subjects.echo(origin)
    return await bus.request(subject, Echo(origin), EchoDone, timeout, guarded=_guarded(origin))


async def serve_echo(bus: Bus, origin: str, handler: Callable[[Echo], Awaitable[EchoDone]]) -> Serving:
    """Answer whether an origin answers, in a queue group with its other workers.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    return await bus.serve(subjects.echo(origin), "workers", handler, Echo, guarded=_guarded(origin))
