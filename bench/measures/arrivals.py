"""How long arrivals takes to catch up with events that waited for it, on a bus and S3 of its own."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.contestants import ContestantFailed
from bench.options import Options
from bench.processes import peak_memory
from bench.site import Site
from bench.table import Row, Section, failed, within
from isthmus.cli.embedded import EmbeddedNats, EmbeddedS3
from isthmus.common.bus import Bus
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import ARRIVALS_CONSUMER, EVENTS
from isthmus.common.config.settings import Nats
from isthmus.common.dicom.json_values import DicomJson
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber
from tests.system.gateway import environment

INBOX: Final = "inbox"
QUIET_SECONDS: Final = 30.0
"""Longer than the events of one round over all studies take to be published."""
GIVE_UP_SECONDS: Final = 300.0
_LEAST_QUIET_SECONDS: Final = 2.0
_AT_ONCE: Final = 200
_LOOK_SECONDS: Final = 0.2

ATTRIBUTES: Final[DicomJson] = {
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY", "AXIAL"]},
    "00080020": {"vr": "DA", "Value": ["20260101"]},
    "00080030": {"vr": "TM", "Value": ["101112.131415"]},
    "00080050": {"vr": "SH", "Value": ["A4711"]},
    "00080070": {"vr": "LO", "Value": ["Maker of scanners"]},
    "00080080": {"vr": "LO", "Value": ["Hospital"]},
    "00080090": {"vr": "PN", "Value": [{"Alphabetic": "Referring^Physician"}]},
    "0008103E": {"vr": "LO", "Value": ["Thorax 1.0"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
    "00100030": {"vr": "DA", "Value": ["19700101"]},
    "00100040": {"vr": "CS", "Value": ["F"]},
    "00180015": {"vr": "CS", "Value": ["CHEST"]},
    "00181030": {"vr": "LO", "Value": ["Thorax routine"]},
    "00185100": {"vr": "CS", "Value": ["HFS"]},
    "00200010": {"vr": "SH", "Value": ["S4711"]},
    "00200011": {"vr": "IS", "Value": [1]},
    "00280010": {"vr": "US", "Value": [512]},
    "00280011": {"vr": "US", "Value": [512]},
    "00280100": {"vr": "US", "Value": [16]},
}
"""What a CT image has beside what its sender writes."""


def measure(site: Site) -> Section:
    """Measure many instances of some studies, then few of many studies; both interleaved."""
    section = Section("Arrivals")
    events = site.options.events
    large = min(1000, events)
    for studies, instances, at_most in ((events // large, large, 60.0), (events * 3 // 100, 4, None)):
        title = f"{studies * instances} instance events of {studies} studies waiting: until all are merged"
        directory = site.directory / f"arrivals-{studies}"
        try:
            caught_up = asyncio.run(_catch_up(directory, studies, instances, _quiet_seconds(events)))
        except ContestantFailed as reason:
            section.rows.append(failed(title, reason))
            continue
        seconds = [caught_up.merged]
        section.rows.append(
            within(title, seconds, at_most)
            if at_most is not None
            else Row(measure=f"- {title}", ours=f"{caught_up.merged:.1f} s")
        )
        section.notes.append(
            f"{studies} studies of {instances} instances: all announced, each once, after "
            f"{caught_up.announced:.1f} s; arrivals {caught_up.memory / 1e6:.0f} MB."
        )
    return section


def _quiet_seconds(events: int) -> float:
    """Long enough for all of them to be merged before the first study is announced."""
    return max(_LEAST_QUIET_SECONDS, QUIET_SECONDS * events / Options.events)


@dataclass(frozen=True, slots=True)
class _CaughtUp:
    """How long it took, in seconds, from before the process was started."""

    merged: float
    announced: float
    memory: int
    """Bytes, at most."""


async def _catch_up(directory: Path, studies: int, instances: int, quiet_seconds: float) -> _CaughtUp:
    async with EmbeddedNats(directory / "nats") as nats, EmbeddedS3(directory / "s3") as s3:
        settings = Nats(url=nats.url, user=nats.user, password=nats.password)
        bus = await Bus.connect(settings, "bench")
        await _publish(bus, studies, instances)
        inbox = {"name": INBOX, "protocol": "inbox", "ae_title": "INBOX", "quiet_seconds": quiet_seconds}
        variables = {
            **environment(),
            **{f"ISTHMUS_NATS__{name.upper()}": str(value) for name, value in settings if value},
            "ISTHMUS_S3__ENDPOINT": s3.endpoint,
            "ISTHMUS_S3__BUCKET": s3.bucket,
            "ISTHMUS_S3__ACCESS_KEY": s3.access_key,
            "ISTHMUS_S3__SECRET_KEY": s3.secret_key,
            "ISTHMUS_ORIGINS": json.dumps([inbox]),
        }
        began = time.monotonic()
        async with _service(variables) as pid:
            await _until_merged(bus, began)
            merged = time.monotonic() - began
            await _until_announced(bus, studies, instances, began)
            caught_up = _CaughtUp(merged, time.monotonic() - began, peak_memory([pid]))
        await bus.close()
        return caught_up


async def _publish(bus: Bus, studies: int, instances: int) -> None:
    sender = Sender(bus, INBOX)
    pairs = _interleaved(studies, instances)
    while chunk := [pair for _, pair in zip(range(_AT_ONCE), pairs, strict=False)]:
        events = [sender.event(f"1.2.840.{study}", number, series=number % 4) for study, number in chunk]
        for event in events:
            event.data.attributes.update(ATTRIBUTES)
        await asyncio.gather(*(publish_event(bus, event) for event in events))


def _interleaved(studies: int, instances: int) -> Iterator[tuple[int, int]]:
    for number in range(instances):
        for study in range(studies):
            yield study, number


@asynccontextmanager
async def _service(variables: dict[str, str]) -> AsyncIterator[int]:
    """Run arrivals as a process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "isthmus.arrivals", env=variables, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process.pid
        if process.returncode is not None:
            raise ContestantFailed(f"arrivals ended with {process.returncode}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_merged(bus: Bus, began: float) -> None:
    while time.monotonic() - began < GIVE_UP_SECONDS:
        names = [consumer.name for consumer in await bus.jetstream.consumers_info(EVENTS)]
        if ARRIVALS_CONSUMER in names:
            info = await bus.jetstream.consumer_info(EVENTS, ARRIVALS_CONSUMER)
            if not info.num_pending and not info.num_ack_pending:
                return
        await asyncio.sleep(_LOOK_SECONDS)
    raise ContestantFailed(f"not merged within {GIVE_UP_SECONDS:.0f} s")


async def _until_announced(bus: Bus, studies: int, instances: int, began: float) -> None:
    subscriber = await Subscriber.open(bus, INBOX)
    while await subscriber.waiting() < studies:
        if time.monotonic() - began > GIVE_UP_SECONDS:
            raise ContestantFailed(f"not announced within {GIVE_UP_SECONDS:.0f} s")
        await asyncio.sleep(_LOOK_SECONDS)
    events = await subscriber.events(studies, GIVE_UP_SECONDS)
    told = {event.data.study: event.data.instances for event in events}
    if len(told) < studies or set(told.values()) != {instances} or await subscriber.waiting():
        raise ContestantFailed(
            f"{studies} studies, {len(told)} told, {await subscriber.waiting()} events more: "
            "one was announced in parts, or more than once"
        )
