"""When it is time to look at a study: announce it, or look again later."""

import asyncio
from typing import Final

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.arrivals.announce import Announcer
from isthmus.arrivals.due import Due, Later, Unfinished, verdict
from isthmus.arrivals.expected import expected_count
from isthmus.arrivals.horizon import Horizon
from isthmus.arrivals.settings import ArrivalsSettings
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams
from isthmus.common.bus.consumer import Consumer, acknowledge, give_back, kept
from isthmus.common.bus.timers import ALL_FIRED, StudyTimer, set_timer
from isthmus.common.errors import BlobMissing, ContractError, UnavailableError
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.state import States, Versioned
from isthmus.common.messages import decode
from isthmus.common.messages.events import Reason
from isthmus.common.telemetry import extract, get_logger, span
from isthmus.common.telemetry.attributes import DICOM_ORIGIN

CONSUMER: Final = "arrivals-timers"
AT_ONCE: Final = 64
PATIENCE: Final = 2.0
"""Seconds to wait for what came before and is not in the list yet; then the study's turn comes again."""
AGAIN_SECONDS: Final = 1.0
FAILED_SECONDS: Final = 60.0
"""Until a study is looked at again that cannot be read."""
EXPECTED_PATIENCE: Final = 10
"""So many quiet times after the last instance a study is announced though more are expected."""

log = get_logger(__name__)


class Timers:
    """Looks at studies when their timers come."""

    def __init__(
        self,
        bus: Bus,
        blobs: BlobStore,
        settings: ArrivalsSettings,
        contents: ContentsStore,
        ack_wait: float,
    ) -> None:
        self._bus = bus
        self._ack_wait = ack_wait
        self._settings = settings
        self._states = States(bus)
        self._horizon = Horizon(bus)
        self._announcer = Announcer(bus, blobs, settings.base_url, contents)

    async def run(self) -> None:
        """Look at studies until cancelled; then what is not done goes to another replica."""
        configuration = ConsumerConfig(
            durable_name=CONSUMER,
            filter_subjects=[ALL_FIRED],
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait,
            max_ack_pending=-1,  # studies that cannot be looked at keep no others back
        )
        consumer = Consumer(self._bus, streams.TIMERS, configuration)
        await consumer.serve(self._fired, AT_ONCE, most=AT_ONCE)

    async def _fired(self, message: Msg) -> None:
        try:
            async with kept(message):
                timer = decode(message.data, StudyTimer)
                with span("look at study", {DICOM_ORIGIN: timer.origin}, context=extract(message.headers)):
                    await self._look(timer, message.metadata.timestamp.timestamp())
            await acknowledge([message])
        except asyncio.CancelledError:
            await give_back([message])
            raise
        except ContractError as error:
            log.error("study not looked at", detail=error.detail)
            await give_back([message], FAILED_SECONDS)
        except BlobMissing:
            log.error("study not looked at: its list is lost")
            await give_back([message], FAILED_SECONDS)
        except UnavailableError as error:
            log.warning("study looked at again later", detail=error.detail)
            await give_back([message], AGAIN_SECONDS)
        except Exception:  # the edge: the timer comes again
            log.exception("study not looked at")
            await give_back([message], FAILED_SECONDS)

    async def _look(self, timer: StudyTimer, now: float) -> None:
        quiet = self._settings.quiet_of(timer.origin)
        while True:
            found = await self._states.get(timer.origin, timer.study)
            match verdict(found.state, now, quiet):
                case Later(at):
                    if await self._wait(timer, found, at):
                        return
                case Unfinished():
                    await self._announcer.finish(found)
                case Due(reason):
                    if await self._announce(timer, found, reason, now):
                        return
                case None:
                    return

    async def _announce(self, timer: StudyTimer, found: Versioned, reason: Reason, now: float) -> bool:
        """Announce a study; False if it is to be looked at again at once."""
        quiet = self._settings.quiet_of(timer.origin)
        # What waits may be of a sender who reports nothing: then all that others reported is not all.
        merged_until = found.state.arrival.last_stored + quiet if reason is Reason.QUIET else now
        if not await self._horizon.reached(timer.origin, merged_until, now, PATIENCE):
            return await self._wait(timer, found, now + PATIENCE + AGAIN_SECONDS)
        again = await self._states.get(timer.origin, timer.study)
        if again.revision != found.revision:
            return False
        if reason is Reason.QUIET:
            more_expected, reason = await self._expected(timer, found)
            if more_expected and now < found.state.arrival.last_stored + EXPECTED_PATIENCE * quiet:
                return await self._wait(timer, found, now + quiet)
        return await self._announcer.announce(found, reason)

    async def _wait(self, timer: StudyTimer, found: Versioned, at: float) -> bool:
        """Have a study looked at then; False if it has changed: an earlier timer may have been replaced."""
        await set_timer(self._bus, timer, at)
        return (await self._states.get(timer.origin, timer.study)).revision == found.revision

    async def _expected(self, timer: StudyTimer, found: Versioned) -> tuple[bool, Reason]:
        """Tell whether more is expected than is there, and on what the arrival rests."""
        inbox = self._settings.inboxes.get(timer.origin)
        if inbox is None or inbox.expect is None:
            return False, Reason.QUIET
        count = await expected_count(self._bus, inbox.expect, timer.study)
        if count is None:
            return False, Reason.QUIET
        there = found.state.instances
        return count > there, Reason.COUNT if count == there else Reason.QUIET
