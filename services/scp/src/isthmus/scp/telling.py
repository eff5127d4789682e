"""What is told to the bus behind the back of the associations: their ends, and who was let in."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Final

from isthmus.common.auth import Principal
from isthmus.common.bus import Bus
from isthmus.common.bus.events import tell
from isthmus.common.errors import BusUnavailable
from isthmus.common.messages import AssociationEnded
from isthmus.common.messages.audit import AuditEvent, AuditRecord, AuditType, Outcome
from isthmus.common.telemetry import get_logger, span
from isthmus.common.telemetry.attributes import DICOM_STUDIES
from isthmus.common.threads import LoopStopped
from isthmus.scp.auditing import Auditing, of_calling
from isthmus.scp.callers import Calling, principal_of
from isthmus.scp.sender import Sender

MOST_RECORDS: Final = 1_000
"""Of the audit, waiting for NATS; more are in the log alone."""
AGAIN_SECONDS: Final = 1.0
GIVE_UP_SECONDS: Final = 60.0
"""For the end of an association: those who wait for it do not wait longer."""
FINISH_SECONDS: Final = 2.0

log = get_logger(__name__)


class Telling:
    """Publishes in tasks of its own, so that nobody waits for it; for the loop alone."""

    def __init__(self, bus: Bus, auditing: Auditing) -> None:
        self._bus = bus
        self.auditing: Final = auditing
        self._tasks: set[asyncio.Task[None]] = set()
        self._records = 0

    def association_ended(self, sender: Sender) -> None:
        """Tell of an association that is over, for each study of which it brought something."""
        for record in self.auditing.ended(sender):
            self._records += 1
            self._start(self._record(record))
        if sender.inbox is not None and sender.brought:
            self._start(self._tell_ended(sender.inbox.name, tuple(sender.brought), sender.association))

    async def _tell_ended(self, inbox: str, studies: tuple[str, ...], association: str) -> None:
        with span("association ended", {DICOM_STUDIES: len(studies)}):
            for study in studies:
                ended = AssociationEnded(inbox, study, association)
                await _insisting(partial(tell, self._bus, ended), "the end of an association is not told")

    def decided(
        self, calling: Calling, action: str, refusal: str | None, principal: Principal | None = None
    ) -> None:
        """Record a decision of an association.

        Args:
            calling: what is known from its request.
            action: what was asked for.
            refusal: the reason, None where it was accepted.
            principal: who it is, where more was found out than that.
        """
        _log(calling, action, refusal)
        if self._records >= MOST_RECORDS:
            return
        self._records += 1
        record = of_calling(calling, principal or principal_of(calling), action)
        if refusal is None:
            record = replace(record, event=AuditEvent.USER_AUTHENTICATION, event_type=AuditType.LOGIN)
        else:
            record = _refused(record, AuditType.NODE_AUTHENTICATION, refusal)
        self._start(self._record(record))

    def refused(self, sender: Sender, operation: str, reason: str, loop: asyncio.AbstractEventLoop) -> None:
        """Record that somebody may not do something; for the association's thread, which waits for that.

        Args:
            sender: who.
            operation: the DIMSE service.
            reason: why not.
            loop: where the bus is.
        """
        _log(sender.calling, operation, reason)
        record = of_calling(sender.calling, sender.principal, operation)
        origin = "" if sender.origin is None else sender.origin.name
        refused = _refused(record, AuditType.USE_OF_RESTRICTED_FUNCTION, reason)
        try:
            self.auditing.wait_for(replace(refused, origin=origin), loop)
        except (BusUnavailable, LoopStopped):  # it is refused all the same
            log.warning("an audit record is lost", action=operation)

    async def _record(self, record: AuditRecord) -> None:
        try:
            write = partial(self.auditing.write, record)
            await _insisting(write, "an audit record is lost", action=record.action)
        finally:
            self._records -= 1

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Let what is under way end, within seconds."""
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
            for task in left:
                task.cancel()


async def _insisting(attempt: Callable[[], Awaitable[object]], lost: str, **about: str) -> None:
    """Try until NATS takes it, or it has been away for long; then what is lost is in the log alone."""
    deadline = asyncio.get_running_loop().time() + GIVE_UP_SECONDS
    while True:
        try:
            await attempt()
            return
        except BusUnavailable as error:
            if asyncio.get_running_loop().time() > deadline:
                log.warning(lost, reason=error.detail, **about)
                return
            await asyncio.sleep(AGAIN_SECONDS)


def _log(calling: Calling, action: str, refusal: str | None) -> None:
    write = log.info if refusal is None else log.warning
    write(
        f"{action} {'accepted' if refusal is None else 'refused'}",
        calling_ae_title=calling.calling_ae_title,
        called_ae_title=calling.called_ae_title,
        address=calling.address,
        **({} if refusal is None else {"reason": refusal}),
    )


def _refused(record: AuditRecord, event_type: AuditType, reason: str) -> AuditRecord:
    event, outcome = AuditEvent.SECURITY_ALERT, Outcome.REFUSED
    return replace(record, event=event, event_type=event_type, outcome=outcome, reason=reason)
