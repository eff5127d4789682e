"""What is in the work queues, and who takes it.

The message in the stream is the job's lock and its state: it is there while the job is queued or running, and
the acknowledgement at its end removes it.
"""

import asyncio
import json
from typing import Final

from nats.js.errors import APIError, NotFoundError

from isthmus.common.bus import streams, subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.submitted import Lane
from isthmus.common.errors import NoWorker

SECOND_LOOK: Final = 0.5
"""Seconds between the two looks at whether somebody takes jobs."""
TIMEOUT: Final = 5.0
_GONE: Final = frozenset({10037, 10043, 10057})
"""JetStream errors: no message found, sequence not found, message delete failed."""


async def is_queued(bus: Bus, stream: str, sequence: int) -> bool:
    """Tell whether a job is still queued or running."""
    with bus_errors(stream):
        try:
            await bus.jetstream.get_msg(stream, sequence)
        except NotFoundError:
            return False
        return True


async def holds(bus: Bus, stream: str, subject: str) -> bool:
    """Tell whether a stream has messages of such a subject.

    Raises:
        BusUnavailable: NATS does not tell.
    """
    with bus_errors(stream):
        info = await bus.jetstream.stream_info(stream, subjects_filter=subject)
    return bool(info.state.subjects)


async def has_job(bus: Bus, origin: str, study: str) -> bool:
    """Tell whether a retrieve job of a study is queued or running, in whichever lane."""
    with bus_errors(streams.JOBS):
        try:
            await bus.jetstream.get_last_msg(streams.JOBS, subjects.retrieve(origin, "*", study))
        except NotFoundError:
            return False
        return True


async def withdraw(bus: Bus, stream: str, sequence: int) -> bool:
    """Take a job back; False when it is gone already."""
    # As by an acknowledgement: to overwrite it on the disk too took 15 ms each, of thousands. nats-py has no
    # such argument.
    request = json.dumps({"seq": sequence, "no_erase": True}).encode()
    with bus_errors(stream):
        answer = await bus.client.request(f"$JS.API.STREAM.MSG.DELETE.{stream}", request, timeout=TIMEOUT)
        error = json.loads(answer.data).get("error")
        if error is None:
            return True
        if error.get("err_code") in _GONE:
            return False
        raise APIError.from_error(error)


async def require_worker(bus: Bus, stream: str, origin: str, lane: Lane = Lane.INTERACTIVE) -> None:
    """Raise NoWorker when nobody takes jobs of this stream and lane for this origin.

    It looks twice: a worker that has just ended a job has not yet asked for the next one.
    """
    if not await _has_worker(bus, stream, origin, lane):
        await asyncio.sleep(SECOND_LOOK)
        if not await _has_worker(bus, stream, origin, lane):
            raise NoWorker(f"No worker serves {origin!r}")


async def _has_worker(bus: Bus, stream: str, origin: str, lane: Lane) -> bool:
    with bus_errors(stream):
        try:
            info = await bus.jetstream.consumer_info(stream, durable_name(stream, origin, lane))
        except NotFoundError:
            return False
    return bool(info.num_waiting or info.num_ack_pending)


def durable_name(stream: str, origin: str, lane: Lane = Lane.INTERACTIVE) -> str:
    """Name the durable consumer that an origin's workers share; only retrieve jobs have lanes."""
    if stream == streams.JOBS:
        return f"jobs_{lane}_{subjects.token(origin)}"
    return f"{stream.lower()}-{subjects.token(origin)}"


def jobs_subject(stream: str, origin: str, lane: Lane) -> str:
    """Give what this consumer takes."""
    return subjects.retrieves(origin, lane) if stream == streams.JOBS else subjects.store(origin)
