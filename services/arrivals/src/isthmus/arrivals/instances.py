"""From the stream of events into studies: what was stored, what ended, what was reported."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.arrivals.studies import Studies
from isthmus.common.bus import Bus, end_tasks, streams
from isthmus.common.bus.consumer import Consumer, acknowledge, give_back, keeping
from isthmus.common.bus.timers import StudyTimer
from isthmus.common.errors import BlobMissing, ContractError, UnavailableError
from isthmus.common.inbox.merge import Happened
from isthmus.common.inbox.own import is_own
from isthmus.common.messages import AssociationEnded, InstancesReported, decode
from isthmus.common.messages.cloud_events import from_json
from isthmus.common.messages.events import InstanceEvent
from isthmus.common.telemetry import TRACEPARENT, get_logger
from isthmus.common.telemetry.attributes import DICOM_ORIGIN
from isthmus.common.telemetry.instruments import arrivals_events

STORED: Final = "dicom.events.instance.stored.>"
TOLD: Final = "dicom.told.>"
BATCH: Final = 5_000
LINGER: Final = 0.25
"""Seconds that a batch grows: each one writes the list of a study once."""
AT_ONCE: Final = 16
"""Studies that are changed at one time."""
AGAIN_SECONDS: Final = 1.0
NOT_UNDERSTOOD_SECONDS: Final = 60.0
"""Until an event comes again that we cannot read, or whose study; each time twice as long."""
NOT_UNDERSTOOD_LONGEST: Final = 600.0
_TOLD: Final = "dicom.told."
DECODED_AT_ONCE: Final = 100
"""Events, before others have a turn."""

log = get_logger(__name__)

_Groups = Mapping[StudyTimer, list[tuple[Msg, Happened]]]


class Instances:
    """Puts what happens into studies."""

    def __init__(self, bus: Bus, studies: Studies, ack_wait: float) -> None:
        configuration = ConsumerConfig(
            durable_name=streams.ARRIVALS_CONSUMER,
            filter_subjects=[STORED, TOLD],
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait,
            max_ack_pending=-1,  # what cannot be merged keeps nothing else back
        )
        self._consumer = Consumer(bus, streams.EVENTS, configuration)
        self._studies = studies

    async def run(self) -> None:
        """Take events until cancelled; then what is not done goes to another replica."""
        async with aclosing(self._consumer.batches(BATCH, LINGER)) as batches:
            async for batch in batches:
                left = {id(message): message for message in batch}
                try:
                    async with keeping(left):
                        await self._merge(await _grouped(left), left)
                        await self._studies.tidy()
                except asyncio.CancelledError:
                    await give_back(left.values())
                    raise
                await give_back(left.values(), AGAIN_SECONDS)

    async def _merge(self, groups: _Groups, left: dict[int, Msg]) -> None:
        room = asyncio.Semaphore(AT_ONCE)
        merging: list[asyncio.Task[None]] = []
        try:
            for timer, happened in groups.items():
                await room.acquire()
                merging.append(asyncio.create_task(self._into(timer, happened, left, room)))
            if merging:
                await asyncio.wait(merging)
        finally:
            await end_tasks(merging)

    async def _into(
        self,
        timer: StudyTimer,
        happened: Sequence[tuple[Msg, Happened]],
        left: dict[int, Msg],
        room: asyncio.Semaphore,
    ) -> None:
        messages = [message for message, _ in happened]
        try:
            await self._studies.happened(timer, [one for _, one in happened])
        except ContractError as error:
            log.error("events not merged", origin=timer.origin, events=len(happened), detail=error.detail)
            await _put_off(messages, left)
        except BlobMissing:
            log.error("events not merged: the list of their study is lost", origin=timer.origin)
            await _put_off(messages, left)
        except UnavailableError as error:
            log.warning("events left for another delivery", events=len(happened), detail=error.detail)
        except Exception:  # the edge: they are delivered again
            log.exception("events not merged", origin=timer.origin, events=len(happened))
            await _put_off(messages, left)
        else:
            await acknowledge(messages)
            for message in messages:
                del left[id(message)]
            arrivals_events.add(len(messages), {DICOM_ORIGIN: timer.origin})
        finally:
            room.release()


async def _put_off(messages: Collection[Msg], left: dict[int, Msg]) -> None:
    """Let events of which we can make nothing come again after a while: others go on meanwhile."""
    for message in messages:
        del left[id(message)]
        tries = min(message.metadata.num_delivered, 10)
        await give_back([message], min(NOT_UNDERSTOOD_LONGEST, NOT_UNDERSTOOD_SECONDS * 2.0 ** (tries - 1)))


async def _grouped(messages: dict[int, Msg]) -> _Groups:
    """Read events, and sort them by study; what cannot be read comes again when it may be understood."""
    groups: dict[StudyTimer, list[tuple[Msg, Happened]]] = {}
    for number, message in enumerate(list(messages.values())):
        try:
            happened = _happened(message)
        except ContractError as error:
            log.error("event not understood", detail=error.detail)
            await _put_off([message], messages)
            continue
        if happened is None:
            await acknowledge([message])
            del messages[id(message)]
            continue
        groups.setdefault(StudyTimer(happened.what.origin, happened.what.study), []).append(
            (message, happened)
        )
        if number % DECODED_AT_ONCE == 0:
            await asyncio.sleep(0)
    return groups


def _happened(message: Msg) -> Happened | None:
    """Read an event; None of one that nobody can have published who has put an instance into its inbox."""
    time = message.metadata.timestamp.timestamp()
    if message.subject.startswith(_TOLD):
        return Happened(decode(message.data, AssociationEnded, InstancesReported), time)
    event = from_json(message.data)
    if not isinstance(event.data, InstanceEvent):
        raise ContractError("event: of a study, and not of an instance")
    if not is_own(event.data):
        return None
    return Happened(event.data, time, (message.headers or {}).get(TRACEPARENT, event.traceparent))
