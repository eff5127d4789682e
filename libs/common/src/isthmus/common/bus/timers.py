"""When it is time to look at a study: messages that NATS delivers at a time (ADR-51 of NATS).

A study has one timer at most; setting it again moves it. It lasts through restarts of all of us and of NATS.
"""

from dataclasses import dataclass
from typing import Final

from isthmus.common.bus import subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.streams import EVENTS_SECONDS
from isthmus.common.bus.tracing import sending
from isthmus.common.messages import encode
from isthmus.common.messages.events import timestamp
from isthmus.common.telemetry import inject

ALL_FIRED: Final = "dicom.timer.fired.>"
"""Where all timers come."""


@dataclass(frozen=True, slots=True)
class StudyTimer:
    """It is time to look at a study of an inbox."""

    origin: str
    study: str


async def set_timer(bus: Bus, timer: StudyTimer, at: float) -> None:
    """Set a study's timer, in the place of the one that it has.

    It comes up to a quarter of a second late, and at once where its time is over.

    Args:
        bus: the bus.
        timer: whose.
        at: when, in seconds since 1970, by the clock of NATS.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    schedule = {
        "Nats-Schedule": f"@at {timestamp(at)}",
        "Nats-Schedule-Target": subjects.timer_fired(timer.origin, timer.study),
        "Nats-Schedule-TTL": f"{int(EVENTS_SECONDS)}s",  # what nobody took by then has no events any more
    }
    subject = subjects.timer_set(timer.origin, timer.study)
    with sending(subject, origin=timer.origin), bus_errors("dicom.timer"):
        await bus.jetstream.publish(subject, encode(timer), headers={**inject(), **schedule})
