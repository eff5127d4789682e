"""Storage commitment as provider (PS3.4 Annex J): the requests that wait are worked off, and reported.

A request is answered with Success as soon as it is in the work queue. Its result is what is in S3 when it is
reported, or at the origin, and it is tried for a day; a process that ends gives it back to the others.
"""

import asyncio
import random
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig
from opentelemetry import context
from pydicom.dataset import Dataset

from isthmus.common.auth import Right
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.consumer import Consumer, give_back, kept
from isthmus.common.bus.ending import end_tasks
from isthmus.common.bus.queues import holds
from isthmus.common.bus.templates import verb
from isthmus.common.bus.tracing import processing
from isthmus.common.config import Inbox, Origin
from isthmus.common.dimse import Association, Peer
from isthmus.common.errors import ContractError, Forbidden, OriginError, UnavailableError
from isthmus.common.service import fail
from isthmus.common.telemetry import extract, get_logger
from isthmus.common.threads import Threads
from isthmus.scp.callers import Address
from isthmus.scp.commitment.at_origin import OriginSearch
from isthmus.scp.commitment.lists import KnownLists
from isthmus.scp.commitment.report import event_information, report_anew, report_there
from isthmus.scp.commitment.requests import CommitmentRequest
from isthmus.scp.commitment.requests import kept as stored_request
from isthmus.scp.commitment.search import Search
from isthmus.scp.commitment.seeing import Seeing

LOOKS: Final = (0.0, 1.0, 4.0)
"""Seconds before each look for what is missing: some ask before the last image is stored."""
GIVE_UP_SECONDS: Final = 86_400.0
"""After which nobody waits for the result any more."""
FIRST_DELAY: Final = 5.0
LONGEST_DELAY: Final = 600.0
"""Seconds until the next attempt: as long as it has been tried already, between these two."""
AWAY_SECONDS: Final = 30.0
"""For so long a caller that could not be reached is left alone, whatever waits for it."""
TIMEOUT_SECONDS: Final = 15.0
"""Of silence of the caller, on an association of ours."""
AT_ONCE: Final = 8
"""Requests of an origin that a process works on."""
ACK_WAIT: Final = 30.0
_TRY_AGAIN: Final = frozenset({0x0110, 0x0213})
"""Processing failure and resource limitation: what a caller may get over."""

AddressOf = Callable[[CommitmentRequest], Address | None]
"""Gives host and port of the caller; None where the settings have none."""

log = get_logger(__name__)


class Later(Exception):
    """The result could not be reported now."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        """Until the next attempt."""


class Committer:
    """Works off the requests."""

    def __init__(
        self,
        bus: Bus,
        blobs: BlobStore,
        origins: Iterable[Origin],
        address_of: AddressOf,
        seeing: Seeing,
        threads: Threads,
    ) -> None:
        """Prepare.

        Args:
            bus: where the requests wait.
            blobs: where the instances are.
            origins: all; of inboxes the instances are in S3, the others are asked.
            address_of: where the callers are.
            seeing: which studies they may know of.
            threads: for the associations.
        """
        self._bus = bus
        self._blobs = blobs
        self._lists = KnownLists(bus, blobs)
        self._origins = {origin.name: origin for origin in origins}
        self._address_of = address_of
        self._seeing = seeing
        self._threads = threads
        self._one_at_a_time: dict[Address, asyncio.Lock] = {}
        self._away_until: dict[Address, float] = {}
        self._opened: set[Association] = set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work until left."""
        tasks = [asyncio.create_task(self._work(name)) for name in self._origins]
        for task in tasks:
            task.add_done_callback(_ended)
        try:
            yield
        finally:
            await end_tasks(tasks)
            for association in tuple(self._opened):  # a thread that waits would hold up the end
                association.interrupt()

    async def _work(self, origin: str) -> None:
        configuration = ConsumerConfig(
            durable_name=f"commit-{subjects.token(origin)}",
            filter_subject=subjects.commits(origin),
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT,
            max_ack_pending=-1,  # those that wait for their caller do not hold up the others
        )
        work_on = partial(self._work_on, origin)
        await Consumer(self._bus, streams.COMMITMENTS, configuration).serve(work_on, AT_ONCE)

    async def _work_on(self, origin: str, message: Msg) -> None:
        token = context.attach(extract(message.headers or {}))
        try:
            async with kept(message):
                with processing(message.subject, origin=origin):
                    if not await self._is_refused(origin, message):
                        await self._commit_in_time(stored_request(message.data))
                with bus_errors("acknowledge"):
                    await message.ack_sync(timeout=5)
        except Later as later:
            await give_back([message], later.seconds)
        except asyncio.CancelledError:
            await give_back([message])
            raise
        except UnavailableError as error:
            log.warning("commitment left for another attempt", detail=error.detail)
            await give_back([message], FIRST_DELAY)
        except (ContractError, zlib.error) as error:
            log.error("request for commitment not understood", error=type(error).__name__)
            with suppress(nats.errors.Error):
                await message.term()
        except Exception:  # the edge: the request stays in the queue
            log.exception("commitment failed")
            await give_back([message], LONGEST_DELAY)
        finally:
            context.detach(token)

    async def _is_refused(self, origin: str, message: Msg) -> bool:
        """Tell whether no face of ours vouches for a request, or the rules do not allow it; nobody is told.

        It may have waited for a day: its grant is as old as its place in the queue.
        """
        gate, sent_at = self._bus.gate, message.metadata.timestamp.timestamp()
        try:
            gate.check(message, origin, Right.STORE, sent_at=sent_at)
        except Forbidden as error:
            await gate.refused(message, verb(message.subject), origin, error, sent_at=sent_at)
            return True
        return False

    async def _commit_in_time(self, request: CommitmentRequest) -> None:
        try:
            await self._commit(request)
        except (Later, UnavailableError):
            if request.age < GIVE_UP_SECONDS:
                raise
            _log("commitment given up", request)

    async def _commit(self, request: CommitmentRequest) -> None:
        """Find out the result, and report it.

        Raises:
            Later: the caller cannot be told now.
            UnavailableError: a part of ours is away.
        """
        address = self._address_of(request)
        if address is not None:
            self._check_is_there(address, request)
        search = await self._looked(request)
        event_type, data = await asyncio.to_thread(event_information, request, search.failures)
        status = await report_there(self._bus, request, event_type, data)
        if status is None:
            if address is None:
                _log("commitment not reported: its association is over, and no address is known", request)
                return
            status = await self._call(address, request, event_type, data)
        if status in _TRY_AGAIN:
            _log("commitment not taken by the caller", request, status=f"{status:04X}")
            raise _later(request)
        _log("commitment reported", request, status=f"{status:04X}", failed=len(search.failures))

    def _search(self, request: CommitmentRequest) -> Search | OriginSearch:
        origin, sees = self._origins[request.inbox], self._seeing.of(request)
        if isinstance(origin, Inbox):
            return Search(self._bus, self._blobs, self._lists, origin.name, request.references, sees)
        return OriginSearch(self._bus, origin, request.references, sees)

    async def _looked(self, request: CommitmentRequest) -> Search | OriginSearch:
        search = self._search(request)
        is_on_its_way = False
        for seconds in LOOKS:
            await asyncio.sleep(seconds)
            # Before the look: what arrives in between is found.
            on_its_way = subjects.forwards_spooled(request.inbox)
            is_on_its_way = await holds(self._bus, streams.FORWARDS, on_its_way)
            try:
                await search.look()
            except OriginError as error:
                _log("commitment not found out", request, error=type(error).__name__)
                raise _later(request) from error
            if not search.failures:
                break
        if search.failures and is_on_its_way:
            _log("commitment waits for what is on its way", request)
            raise _later(request)
        return search

    async def _call(
        self, address: Address, request: CommitmentRequest, event_type: int, data: Dataset
    ) -> int:
        """Report on an association of ours; one at a time to a caller, as many take no more."""
        called = request.calling_ae_title
        calling = request.called_ae_title or self._origins[request.inbox].ae_title
        peer = Peer(called, address.host, address.port, called, calling, TIMEOUT_SECONDS, tls=address.tls)
        async with self._one_at_a_time.setdefault(address, asyncio.Lock()):
            self._check_is_there(address, request)
            try:
                return await self._threads.run(report_anew, peer, event_type, data, self._opened)
            except OriginError as error:
                self._away_until[address] = time.monotonic() + AWAY_SECONDS
                _log("commitment not reported", request, error=type(error).__name__)
                raise _later(request) from error

    def _check_is_there(self, address: Address, request: CommitmentRequest) -> None:
        rest = self._away_until.get(address, 0.0) - time.monotonic()
        if rest > 0:
            raise _later(request, rest)


def _ended(task: asyncio.Task[None]) -> None:
    """End the process rather than have requests wait for nobody."""
    if not task.cancelled():
        log.error("nobody works on commitments any more", exc_info=task.exception())
        fail()


def _later(request: CommitmentRequest, at_least: float = 0.0) -> Later:
    """Give the time of the next attempt; spread a little, for many wait for the same caller."""
    seconds = min(LONGEST_DELAY, max(FIRST_DELAY, request.age))
    return Later(max(at_least, seconds) * random.uniform(1.0, 1.1))  # noqa: S311 - no secret


def _log(what: str, request: CommitmentRequest, **more: object) -> None:
    log.info(
        what,
        origin=request.inbox,
        calling_ae_title=request.calling_ae_title,
        instances=len(request.references),
        **more,
    )
