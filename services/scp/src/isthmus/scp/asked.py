"""One C-FIND, C-MOVE or C-GET request, and the way back to whoever asked (PS3.7 9.1).

A request is served in the association's thread, which may wait. What it needs of the loop it has done there
by `Asked.run`, which ends as soon as the client cancels or is gone.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from enum import Enum, auto
from io import BytesIO
from typing import Final, TypeVar, cast

from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT, A_RELEASE

from isthmus.common.config import Origin
from isthmus.common.dicom.statuses import DATA_SET_MISMATCH, error_comment
from isthmus.common.dimse import Operation, received_dataset
from isthmus.common.dimse.provided import Request
from isthmus.common.threads import LoopStopped
from isthmus.scp.models import Model
from isthmus.scp.normalized import Refused
from isthmus.scp.sender import Sender

LARGEST_IDENTIFIER: Final = 4 * 1024 * 1024
"""Bytes: a list of 60,000 UIDs."""
_LOOK_SECONDS: Final = 0.2
"""For what nobody tells: a release in the middle of an operation, what is no DICOM, a loop that is gone."""
_ENDING_SECONDS: Final = 1.0
"""For what runs to end, before it is told once more."""

R = TypeVar("R")


class Cancelled(Exception):
    """The client sent a C-CANCEL (PS3.7 9.3.2.3)."""


class AssociationOver(Exception):
    """The client is gone, or wants to go: nobody waits for a response."""


class Stop(Enum):
    """Why a request is not served to its end."""

    CANCELLED = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class SubOperationCounts:
    """The counters of a C-MOVE or C-GET response (PS3.7 9.1.3.1, 9.1.4.1)."""

    remaining: int | None
    """None in a final response other than Cancel."""
    completed: int
    failed: int
    warning: int


@dataclass(frozen=True, slots=True)
class Response:
    """What a response says."""

    status: int
    error_comment: str = ""
    counts: SubOperationCounts | None = None
    identifier: bytes | None = None
    """In the transfer syntax of the request's presentation context."""


@dataclass(slots=True)
class _State:
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: Stop | None = None
    stopped_at: float | None = None
    """When that was said, until it was said once more."""
    task: asyncio.Task[object] | None = None


class Asked:
    """A request."""

    def __init__(
        self,
        request: Request,
        context_id: int,
        transfer_syntax_uid: str,
        sender: Sender,
        association: Association,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.request = request
        self.context_id = context_id
        self.transfer_syntax_uid = transfer_syntax_uid
        """Of the presentation context: that of the Identifiers."""
        self.sender = sender
        self.association = association
        self.loop = loop
        self._state = _State()

    @property
    def operation(self) -> Operation:
        """Which of the three it is."""
        return _OPERATIONS[type(self.request)]

    @property
    def message_id(self) -> int:
        """Its Message ID (0000,0110)."""
        return cast("int", self.request.MessageID)

    @property
    def sop_class_uid(self) -> str:
        """Its Affected SOP Class UID (0000,0002)."""
        return str(self.request.AffectedSOPClassUID)

    @property
    def model(self) -> Model | None:
        """The information model; None for a worklist."""
        return Model.of(self.sop_class_uid)

    @property
    def origin(self) -> Origin:
        """The origin that was called; requests to anyone else come no further than `Provider`."""
        origin = self.sender.origin
        assert origin is not None  # noqa: S101 - as said
        return origin

    def identifier(self) -> bytes:
        """Give the Identifier as it came.

        Raises:
            Refused: A900, it is too large.
            StoreUnavailable: it was too large for memory, and the disk did not take it.
        """
        raw = received_dataset(self.request.Identifier)
        if raw.size > LARGEST_IDENTIFIER:
            raise Refused(DATA_SET_MISMATCH, f"The Identifier is larger than {LARGEST_IDENTIFIER >> 20} MiB")
        return b"".join(raw.chunks())

    def run(self, work: Coroutine[object, object, R]) -> R:
        """Have something done on the loop, and wait for it in the association's thread.

        When the client cancels or is gone, the task is cancelled, and this returns once it has ended.

        Raises:
            Cancelled: a C-CANCEL came, before or meanwhile.
            AssociationOver: the association is over, or its release is requested.
            LoopStopped: there is no loop any more.
        """
        try:
            future = asyncio.run_coroutine_threadsafe(self._as_task(work), self.loop)
        except RuntimeError as error:
            work.close()
            raise LoopStopped from error
        while True:
            try:
                return future.result(_LOOK_SECONDS)
            except NotYet:
                if future.done():  # just now, or it is what was to be done that ran out of time
                    return future.result()
                self._look()
            except CancelledError:
                self.check()
                raise LoopStopped from None

    async def _as_task(self, work: Coroutine[object, object, R]) -> R:
        with self._state.lock:
            stopped = self._state.stop is not None
            self._state.task = cast("asyncio.Task[object]", asyncio.current_task())
        if stopped:
            work.close()
            raise asyncio.CancelledError
        try:
            return await work
        finally:
            with self._state.lock:
                self._state.task = None

    def _look(self) -> None:
        if self.loop.is_closed():
            raise LoopStopped
        self._cancel_again()
        waiting = self.association.dul.peek_next_pdu()
        if isinstance(waiting, A_RELEASE | A_ABORT | A_P_ABORT) or not self.association.dul.is_alive():
            self.stop(Stop.OVER)

    def _cancel_again(self) -> None:
        """Cancel once more what should have ended: `wait_for` of Python 3.11 may swallow a cancellation."""
        with self._state.lock:
            since = self._state.stopped_at
            if since is None or self._state.task is None or time.monotonic() < since + _ENDING_SECONDS:
                return
            self._state.stopped_at = None
            self.loop.call_soon_threadsafe(self._state.task.cancel)

    @property
    def stopped(self) -> bool:
        """Whether there is no use in going on, as `check` raises it."""
        return self._state.stop is not None

    def check(self) -> None:
        """See whether anyone still waits.

        Raises:
            Cancelled: a C-CANCEL came.
            AssociationOver: the association is over, or its release is requested.
        """
        self._look()
        match self._state.stop:
            case Stop.CANCELLED:
                raise Cancelled
            case Stop.OVER:
                raise AssociationOver

    def stop(self, why: Stop) -> None:
        """End what `run` waits for; any thread may call it. The end of the association outdoes a C-CANCEL."""
        with self._state.lock:
            before = self._state.stop
            if before is None or why is Stop.OVER:
                self._state.stop = why
            if before is not None:
                return  # it was told already
            self._state.stopped_at = time.monotonic()
            task = self._state.task
            if task is not None and not self.loop.is_closed():
                self.loop.call_soon_threadsafe(task.cancel)

    def respond(self, response: Response) -> None:
        """Send a response; one at a time, whichever thread it is."""
        answer = type(self.request)()
        answer.MessageIDBeingRespondedTo = self.message_id
        answer.AffectedSOPClassUID = UID(self.sop_class_uid)
        answer.Status = response.status
        if response.error_comment:
            answer.ErrorComment = error_comment(response.error_comment)  # type: ignore[assignment]  # upstream declares no type for all of them
        if response.identifier is not None:
            answer.Identifier = BytesIO(response.identifier)
        if response.counts is not None and not isinstance(answer, C_FIND):
            answer.NumberOfRemainingSuboperations = response.counts.remaining
            answer.NumberOfCompletedSuboperations = response.counts.completed
            answer.NumberOfFailedSuboperations = response.counts.failed
            answer.NumberOfWarningSuboperations = response.counts.warning
        self.association.dimse.send_msg(answer, self.context_id)


_OPERATIONS: Final = {C_FIND: Operation.C_FIND, C_MOVE: Operation.C_MOVE, C_GET: Operation.C_GET}
