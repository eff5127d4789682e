"""`isthmus events`: what arrived, as it arrives."""

import re
import sys
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from nats.aio.msg import Msg
from rich.filesize import decimal

from isthmus.cli.connected import connected
from isthmus.cli.output import write_line
from isthmus.common.bus import subjects
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.bus.streams import EVENTS
from isthmus.common.errors import ContractError
from isthmus.common.messages.cloud_events import from_json
from isthmus.common.messages.events import CloudEvent, EventType, InstanceEvent, StudyEvent

_AGO: Final = re.compile(r"(\d{1,9})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2262, 1, 1, tzinfo=UTC)
"""NATS counts nanoseconds from 1970 on, in 64 bits: long before or after that it would be in another age."""


async def events(
    data: Path,
    *,
    since: datetime | None = None,
    kind: EventType | None = None,
    origin: str | None = None,
    follow: bool,
    as_json: bool,
) -> None:
    """Print events: of one type or inbox, or all; following, until cancelled.

    Args:
        data: the data folder of a running system.
        since: from when on; None: only new ones when following, else all that are kept.
        kind: of which type; None: of all.
        origin: of which inbox; None: of all.
        follow: whether to wait for more.
        as_json: each as it was published, in a line; else a line that holds no patient data but UIDs.

    Raises:
        NotRunning: nothing runs with the data folder.
        BusUnavailable: NATS does not answer; following waits for it once it has begun.
    """
    subject = subjects.events(kind, origin)
    async with connected(data, "isthmus events") as system:
        reading = read_ordered(system.bus, EVENTS, subject, since=since, follow=follow)
        async with aclosing(reading) as messages:
            async for message in messages:
                write_line(_json_line(message) if as_json else _line(message))
                sys.stdout.flush()


def since_when(text: str, now: datetime) -> datetime:
    """Read a time: so long before now (`90s`, `30m`, `1h`, `2d`), or as in RFC 3339; local without a zone.

    Of a time that NATS cannot count it gives the nearest one that it can.

    Raises:
        ValueError: it is neither.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            time = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time: 90s, 30m, 1h, 2d (ago), or 2024-05-01T10:00:00Z") from None
    return min(max(time, _FIRST), _LAST)


def _json_line(message: Msg) -> str:
    # A line break in JSON stands between values: it may be a blank as well.
    return message.data.decode(errors="replace").replace("\n", " ").replace("\r", " ")


def _line(message: Msg) -> str:
    """Tell of an event without patient data, and without what could move the cursor."""
    try:
        line = _told(from_json(message.data))
    except ContractError as error:
        line = f"{message.subject}  not understood: {error.detail}"
    return "".join(character if character.isprintable() else "?" for character in line)


def _told(event: CloudEvent[Any]) -> str:
    data: InstanceEvent | StudyEvent = event.data
    told = _instance(data) if isinstance(data, InstanceEvent) else _study(data)
    return f"{event.time}  {event.type:<15}  {data.origin}  {data.study}  {told}"


def _instance(data: InstanceEvent) -> str:
    sender = "" if data.calling_ae_title is None else f" from {data.calling_ae_title}"
    conflict = "" if data.conflict is None else f", other bytes are there: the {data.conflict} is read"
    return f"{decimal(data.blob.size)}{sender}{conflict}"


def _study(data: StudyEvent) -> str:
    modalities = ", ".join(f"{name or 'no modality'} {count}" for name, count in data.modalities.items())
    complete = "complete" if data.complete is True else "assumed complete"
    conflicts = "".join(f", {one} conflict" for one in data.conflicts)
    senders = f" from {', '.join(data.calling_ae_titles)}" if data.calling_ae_titles else ""
    series = "many" if data.series is None else len(data.series)
    return (
        f"{data.new_instances} new of {data.instances} instances in {series} series"
        f" ({modalities}), {decimal(data.size)}{senders}, {complete} ({data.reason}){conflicts}"
    )
