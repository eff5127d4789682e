"""The sub-operations of one C-MOVE or C-GET: read, sent, counted and told of while they go on."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Final

from opentelemetry.trace import get_current_span

from isthmus.common.bus import end_tasks
from isthmus.common.dicom.statuses import CANCELLED, PENDING, SUB_OPERATIONS_FAILED, SUCCESS
from isthmus.common.dimse import Category, Operation, category, failure
from isthmus.common.dimse.spans import tell_sub_operations
from isthmus.common.errors import (
    BlobMissing,
    Incomplete,
    IsthmusError,
    NoSuchObject,
    StoreUnavailable,
    UnavailableError,
)
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval import Reading
from isthmus.common.telemetry import get_logger
from isthmus.scp.asked import Asked, Cancelled, Response
from isthmus.scp.retrieving.counts import Counts
from isthmus.scp.retrieving.identifier import Wished
from isthmus.scp.retrieving.line import Line
from isthmus.scp.retrieving.source import Permits, Source

PENDING_SECONDS: Final = 0.1
"""Between two Pending responses at least."""
ALIVE_SECONDS: Final = 5.0
"""After which a client that waits is told that nothing has changed: its own time-out begins anew."""
UNREAD_AT_MOST: Final = 3
"""Instances in a row that S3 does not give, each after its own patience; then it is away."""
GRACE_SECONDS: Final = 2.0
"""For the sub-operations under way, when the client has cancelled."""

Send = Callable[["Transfer"], Coroutine[None, None, None]]
"""Takes from the line and sends until there is no more, and says what became of each."""

log = get_logger(__name__)


class Transfer:
    """One request, on the loop; what it came to is there when it has ended, however it did."""

    def __init__(
        self, source: Source, asked: Asked, wished: Wished, permits: Permits, *, waits_for_each: bool
    ) -> None:
        """Prepare.

        Args:
            source: where the instances come from.
            asked: the request.
            wished: what it asks for.
            permits: what of the origins may be read.
            waits_for_each: whether a sub-operation must end before anything else is sent (C-GET).
        """
        self.counts = Counts()
        self.line = Line(source.blobs, source.room)
        self.on_association = asyncio.Lock()
        """Held while something is sent on the association of the request."""
        self._source = source
        self._permits = permits
        self._asked = asked
        self._wished = wished
        self._waits_for_each = waits_for_each
        self._changed = asyncio.Event()
        self._listing: set[asyncio.Task[None]] = set()
        self._listed: dict[Retrieve, frozenset[str] | None] = {}
        self._unlisted = 0
        """How many of them are not."""
        self._there = 0
        """How many instances are, as far as that is known."""
        self._instances = frozenset(wished.instances)
        self._asked_to_list: set[Retrieve] = set()
        self._broken: list[Retrieve] = []
        """Those that failed, and did not say what lacks."""
        self._ended: set[str] = set()
        """SOP Instance UIDs of the sub-operations that did."""
        self._error: IsthmusError | None = None
        """The first that the client has to hear of."""
        self._has_lost_blobs = False
        self._nothing_there: NoSuchObject | None = None
        self._given_up: IsthmusError | None = None
        self._unread = 0
        """How many in a row S3 did not give."""

    async def run(self, send: Send) -> None:
        """Do all of it.

        Raises:
            IsthmusError: there was nothing to send, and why.
        """
        with self._source.at_work():
            telling = asyncio.create_task(self._tell())
            try:
                await self._send_all(await self._retrieves(), send)
            finally:
                await end_tasks([telling, *self._listing])
                await self.line.close()
        if self._has_lost_blobs:
            await self._mend()
        nothing = self._error or self._nothing_there
        if not self.counts.done and nothing is not None:
            raise nothing

    async def _retrieves(self) -> Sequence[Retrieve]:
        """Find out what to read."""
        wished, origin = self._wished, self._asked.origin.name
        studies: Sequence[str] = wished.studies
        if wished.patient_id is not None:
            studies, self._error = await self._source.studies_of(origin, wished.patient_id, self._permits)
        return wished.retrieves(origin, studies)

    async def _send_all(self, retrieves: Sequence[Retrieve], send: Send) -> None:
        self._listed = dict.fromkeys(retrieves)
        self._unlisted = len(self._listed)
        for one in retrieves:
            if one.instance is not None:
                self._note_listed(one, (one.instance,))
        reading = asyncio.create_task(self._read(retrieves))
        sending = asyncio.create_task(send(self))
        try:
            await self._until_sent(sending, reading)
        finally:
            await end_tasks([sending, reading])

    async def _until_sent(self, sending: asyncio.Task[None], reading: asyncio.Task[None]) -> None:
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
                await asyncio.wait({sending})
        except asyncio.CancelledError:
            await end_tasks([reading])
            self.line.stop()
            await asyncio.wait({sending}, timeout=None if self._waits_for_each else GRACE_SECONDS)
            raise
        sending.result()
        if self._given_up is not None:
            await end_tasks([reading])
            await self._fail_the_rest(self._given_up)
        elif self.counts.done:  # where nothing came, the failure itself is the answer
            await self._fail_what_is_listed(self._broken)

    @property
    def is_given_up(self) -> bool:
        """Whether nothing more is to be sent."""
        return self._given_up is not None

    def give_up(self, error: IsthmusError) -> None:
        """Say that nothing more can be sent: all that was not has failed then."""
        self._given_up = error

    async def _fail_the_rest(self, error: IsthmusError) -> None:
        """Take note of all that was not sent, by name as far as the origin tells the names."""
        self.note_failed(self.line.stop())
        await self._fail_what_is_listed(self._listed)
        self._error = error

    async def _fail_what_is_listed(self, retrieves: Iterable[Retrieve]) -> None:
        """Take note of what the origin has of these and was not sent."""
        retrieves = list(retrieves)
        self._start_listing(retrieves)
        if retrieves and self._listing:
            await asyncio.wait(self._listing)
        for wanted in retrieves:
            self.note_failed(self._listed[wanted] or ())

    async def _read(self, retrieves: Sequence[Retrieve]) -> None:
        if len(retrieves) > 1:
            self._start_listing(retrieves[1:])
        for wanted in retrieves:
            try:
                async with self._source.read(wanted, self._permits) as reading:
                    self._note_begin(wanted, reading)
                    async for blob in reading:
                        if self._is_wished(blob.sop_instance_uid):
                            await self.line.put(blob)
            except IsthmusError as error:
                self._note_failure(wanted, error)
        await self.line.end()

    def _note_begin(self, wanted: Retrieve, reading: Reading) -> None:
        if reading.lacking is not None:
            self.note_failed(one.sop_instance_uid for one in reading.lacking.missing)
            self.counts.failed_unnamed += reading.lacking.unnamed
            self._error = self._error or reading.lacking.failure.error()
        if reading.manifest is not None:
            held = (blob.sop_instance_uid for blob in reading.manifest.blobs(wanted))
            missing = (one.sop_instance_uid for one in reading.manifest.missing(wanted))
            self._note_listed(wanted, (*held, *missing))
        else:
            self._start_listing([wanted])

    def _is_wished(self, sop_instance_uid: str) -> bool:
        return not self._instances or sop_instance_uid in self._instances

    def _start_listing(self, retrieves: Iterable[Retrieve]) -> None:
        """Have those listed that are not, and nobody asks for yet."""
        unlisted = [one for one in retrieves if self._listed[one] is None and one not in self._asked_to_list]
        self._asked_to_list.update(unlisted)
        if unlisted:
            self._listing.add(asyncio.create_task(self._list(unlisted)))

    async def _list(self, retrieves: Sequence[Retrieve]) -> None:
        """Find out what there is, beside the transfer."""
        reasons: set[str] = set()
        for wanted in retrieves:
            try:
                self._note_listed(wanted, await self._source.listed(wanted, self._permits))
            except IsthmusError as error:  # then nobody knows how many remain
                reasons.add(error.title)
        if reasons:
            log.info("not listed", origin=self._asked.origin.name, reason=", ".join(sorted(reasons)))

    def _note_listed(self, wanted: Retrieve, uids: Iterable[str]) -> None:
        before, now = self._listed[wanted], frozenset(filter(self._is_wished, uids))
        self._listed[wanted] = now
        self._unlisted -= before is None
        self._there += len(now) - len(before or ())
        if not self._unlisted:
            self.counts.total = self._there
            self._changed.set()

    def _note_failure(self, wanted: Retrieve, error: IsthmusError) -> None:
        if isinstance(error, NoSuchObject):
            # Of several UIDs those match that there are (PS3.4 C.2.2.2.2).
            self._nothing_there = error
            self._note_listed(wanted, ())
            return
        self._error = self._error or error
        if isinstance(error, Incomplete):
            self.note_failed(error.missing)
        else:
            self._broken.append(wanted)
        self._changed.set()

    def answered(self, sop_instance_uid: str, status: int) -> None:
        """Take note of the answer to a C-STORE."""
        self._unread = 0
        self._ended.add(sop_instance_uid)
        self.counts.note(sop_instance_uid, status)
        if category(status) not in (Category.SUCCESS, Category.WARNING):
            self._error = self._error or failure(status, Operation.C_STORE, self._asked.origin.name)
        self._changed.set()

    def failed(self, sop_instance_uid: str, error: IsthmusError) -> None:
        """Take note that an instance could not be sent."""
        self._error = self._error or error
        is_lost = isinstance(error, BlobMissing)
        self._has_lost_blobs = self._has_lost_blobs or is_lost
        if isinstance(error, StoreUnavailable) and not is_lost:
            self._unread += 1
            if self._unread >= UNREAD_AT_MOST:
                self.give_up(error)
        self.note_failed([sop_instance_uid])

    def note_failed(self, sop_instance_uids: Iterable[str]) -> None:
        """Take note of instances that are not sent."""
        uids = [one for one in sop_instance_uids if self._is_wished(one) and one not in self._ended]
        self._ended.update(uids)
        self.counts.note_failed(uids)
        self._changed.set()

    async def _mend(self) -> None:
        """See to it that the next request fetches anew what S3 has lost."""
        for wanted in self._listed:
            with suppress(UnavailableError):
                await self._source.mend(wanted)

    async def _tell(self) -> None:
        """Send Pending responses: after what happens, and where nothing does for a while."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), ALIVE_SECONDS)
            self._changed.clear()
            async with self.on_association:
                self._asked.respond(Response(PENDING, counts=self.counts.of_pending()))
            await asyncio.sleep(PENDING_SECONDS)

    def response(self) -> Response:
        """Give the final response of one that ran to its end."""
        status, error = self.counts.status(), self._error
        if status == SUCCESS and error is not None:
            # What came is sent, but nobody knows whether it is all.
            status = SUB_OPERATIONS_FAILED
        return Response(
            status,
            "" if error is None else error.detail,
            self.counts.of_final(),
            self.counts.identifier(self._asked.transfer_syntax_uid),
        )

    def cancelled_response(self) -> Response:
        """Give the final response of one that the client has cancelled."""
        return Response(
            CANCELLED,
            counts=self.counts.of_pending(),
            identifier=self.counts.identifier(self._asked.transfer_syntax_uid),
        )


def serve(asked: Asked, transfer: Transfer, send: Send) -> Response:
    """Answer a request, in the association's thread.

    Raises:
        IsthmusError: there was nothing to send, and why.
        AssociationOver: nobody waits for an answer any more.
    """
    try:
        asked.run(transfer.run(send))
    except Cancelled:
        return transfer.cancelled_response()
    finally:
        tell_sub_operations(get_current_span(), transfer.counts)
    return transfer.response()
