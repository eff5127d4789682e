"""Records of what is done over associations, each on disk before its last response (PS3.15 A.5).

What cannot be recorded is not done: the sender gets a failure, and repeats it. Of what comes by C-STORE there
is one record for each association and study when its first instance comes, and one at the end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_MOVE

from isthmus.common.access.audit_trail import AuditTrail, Notes, open_notes
from isthmus.common.access.patients import Patients
from isthmus.common.auth import Principal
from isthmus.common.bus import Bus
from isthmus.common.bus.audit import now, record_of
from isthmus.common.dicom.statuses import DATA_SET_MISMATCH
from isthmus.common.dimse import Category, category
from isthmus.common.errors import BusUnavailable, IsthmusError
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditRecord, Outcome
from isthmus.common.telemetry import get_logger
from isthmus.common.threads import LoopStopped
from isthmus.scp.asked import Asked, AssociationOver, Cancelled, Response
from isthmus.scp.callers import Calling
from isthmus.scp.finding.identifier_text import LONGEST, identifier_text, patient_ids
from isthmus.scp.normalized import Refused, Requester, read_data_set
from isthmus.scp.retrieving.identifier import Wished, read_wished
from isthmus.scp.sender import Sender
from isthmus.scp.storing.answer import Answer
from isthmus.scp.storing.arrived import Arrived

SERVICE: Final = "scp"
RECORD_SECONDS: Final = 10.0
"""For a record, from an association's thread; NATS itself has 5."""

log = get_logger(__name__)


def of_calling(calling: Calling, principal: Principal, action: str) -> AuditRecord:
    """Give what is known of everything that comes over an association."""
    return replace(
        record_of(SERVICE, action, principal),
        calling_ae_title=calling.calling_ae_title,
        called_ae_title=calling.called_ae_title,
    )


@dataclass(slots=True)
class _Stored:
    """What came of one study over one association."""

    record: AuditRecord
    begins: "asyncio.Task[None]"
    stored: int = 0
    failed: int = 0


class Auditing:
    """Writes the records of associations."""

    def __init__(self, bus: Bus, patients: Patients | None = None) -> None:
        self._trail = AuditTrail(bus, SERVICE, patients)
        self._storing: dict[str, dict[str, _Stored]] = {}
        """By association, by study."""

    async def write(self, record: AuditRecord) -> None:
        """Write a record; of very many refusals of one address one stands for several.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        if record.outcome is Outcome.REFUSED:
            await self._trail.write_refusal(record)
        else:
            await self._trail.write(record)

    def wait_for(self, record: AuditRecord, loop: asyncio.AbstractEventLoop) -> None:
        """Write a record from an association's thread.

        Raises:
            BusUnavailable: NATS does not take it.
            LoopStopped: there is no loop any more.
        """
        _start(self.write(record), loop)()

    async def storing(self, sender: Sender, arrived: Arrived, storing: Awaitable[Answer]) -> Answer:
        """Have an instance stored, and give the answer when it is recorded that its study comes.

        What came because we asked for it is recorded where it was asked for.

        Raises:
            BusUnavailable: that cannot be recorded: the sender is to repeat it.
            IsthmusError: as `storing` does.
        """
        if sender.origin is None:
            return await storing
        stored = self._of_study(sender, arrived)
        try:
            answer = await storing
        except BaseException:
            stored.failed += 1
            raise
        # Shielded: the other instances of the study wait for it too.
        await asyncio.shield(stored.begins)
        if category(answer.status) is Category.FAILURE:
            stored.failed += 1
        else:
            stored.stored += 1
        return answer

    def _of_study(self, sender: Sender, arrived: Arrived) -> _Stored:
        study = arrived.identity.study_instance_uid
        studies = self._storing.setdefault(sender.association, {})
        stored = studies.get(study)
        if stored is None:
            patient = arrived.patient_id
            record = replace(
                of_calling(sender.calling, sender.principal, "C-STORE"),
                event=AuditEvent.BEGIN_TRANSFERRING,
                origin=sender.origin.name if sender.origin is not None else "",
                studies=(study,),
                patients=(patient,) if patient else (),
            )
            stored = studies[study] = _Stored(record, self._begin(record))
        elif stored.begins.done() and stored.begins.exception() is not None:
            stored.begins = self._begin(stored.record)
        return stored

    def _begin(self, record: AuditRecord) -> "asyncio.Task[None]":
        begins = asyncio.create_task(self.write(record))
        # Where the storing itself fails nobody asks whether this did, and asyncio would complain of it.
        begins.add_done_callback(lambda task: task.cancelled() or task.exception())
        return begins

    def ended(self, sender: Sender) -> list[AuditRecord]:
        """Give what is to be recorded of an association that is over."""
        return [_end_of(stored) for stored in self._storing.pop(sender.association, {}).values()]

    def query(self, serve: Callable[[Asked], Response]) -> Callable[[Asked], Response]:
        """Give what answers a C-FIND, and has it recorded meanwhile."""

        def answer(asked: Asked) -> Response:
            identifier = asked.identifier()
            keys = _keys_of(identifier, asked.transfer_syntax_uid)
            record = replace(
                _of(asked),
                event=AuditEvent.QUERY,
                query=identifier_text(keys),
                patients=patient_ids(keys),
                identifier=identifier[:LONGEST],
                sop_class_uid=asked.sop_class_uid,
                transfer_syntax_uid=asked.transfer_syntax_uid,
            )
            recorded = _start(self.write(record), asked.loop)
            response = serve(asked)
            recorded()
            return response

        return answer

    def retrieval(self, serve: Callable[[Asked], Response]) -> Callable[[Asked], Response]:
        """Give what answers a C-MOVE or C-GET, recorded before anything goes, and at the end."""

        def answer(asked: Asked) -> Response:
            record = _retrieves(asked, _wished(asked))
            begins = replace(record, event=AuditEvent.BEGIN_TRANSFERRING, action_code=ActionCode.EXECUTE)
            _start(self.write(begins), asked.loop)()
            notes = open_notes()
            try:
                response = serve(asked)
            except (AssociationOver, Cancelled, Refused, IsthmusError) as error:
                failed = replace(record, outcome=Outcome.FAILED, reason=_reason(error))
                _start(self._ends(failed, notes), asked.loop)()
                raise
            _start(self._ends(_with(record, response), notes), asked.loop)()
            return response

        return answer

    async def _ends(self, record: AuditRecord, notes: Notes) -> None:
        """Write what went: at the level of a patient it is known only now of which studies it was."""
        studies = record.studies or tuple(notes.studies)
        study = studies[0] if studies else ""
        patients = record.patients or await self._trail.patients_of(record.origin, study, notes.first)
        await self.write(replace(record, time=now(), studies=studies, patients=patients))

    async def told(
        self,
        requester: Requester,
        action: str,
        *,
        studies: tuple[str, ...] = (),
        patient: str = "",
        report: str = "",
        instances: int | None = None,
    ) -> None:
        """Record what a modality tells, or asks to be told, before it is done.

        Args:
            requester: who.
            action: the DIMSE service.
            studies: Study Instance UIDs, as far as it names any.
            patient: Patient ID.
            report: SOP Instance UID of the report, or the transaction.
            instances: how many it names.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        codes = {"N-CREATE": ActionCode.CREATE, "N-SET": ActionCode.UPDATE, "N-ACTION": ActionCode.READ}
        commits = action == "N-ACTION"
        record = replace(
            of_calling(requester.calling, requester.principal, action),
            event=AuditEvent.INSTANCES_ACCESSED if commits else AuditEvent.PROCEDURE_RECORD,
            action_code=codes[action],
            origin=requester.origin.name,
            studies=studies,
            patients=(patient,) if patient else (),
            resource=report,
            instances=instances,
        )
        await self.write(record)


def _of(asked: Asked) -> AuditRecord:
    sender = asked.sender
    record = of_calling(sender.calling, sender.principal, asked.operation)
    return replace(record, origin=asked.origin.name)


def _start(work: Coroutine[object, object, None], loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Begin to write a record on the loop, and give what waits for it in the association's thread."""
    try:
        future = asyncio.run_coroutine_threadsafe(work, loop)
    except RuntimeError as error:
        work.close()
        raise LoopStopped from error

    def wait() -> None:
        try:
            future.result(RECORD_SECONDS)
        except (NotInTime, CancelledError):
            raise BusUnavailable("dicom.audit: no answer in time") from None

    return wait


def _retrieves(asked: Asked, wished: Wished) -> AuditRecord:
    destination = asked.sender.calling_ae_title
    if isinstance(asked.request, C_MOVE):
        destination = str(asked.request.MoveDestination or "").strip()
    return replace(
        _of(asked),
        event=AuditEvent.INSTANCES_TRANSFERRED,
        action_code=ActionCode.READ,
        studies=wished.studies,
        series=wished.series[0] if len(wished.series) == 1 else "",
        instance=wished.instances[0] if len(wished.instances) == 1 else "",
        patients=(wished.patient_id,) if wished.patient_id else (),
        destination=destination,
    )


def _wished(asked: Asked) -> Wished:
    """Give what is asked for; nothing where that cannot be read, as the answer will say."""
    if asked.model is None:
        return Wished(None)
    try:
        return read_wished(asked.identifier(), asked.transfer_syntax_uid, asked.model)
    except Refused:
        return Wished(None)


def _with(record: AuditRecord, response: Response) -> AuditRecord:
    """Say in a record what became of a retrieval."""
    counts = response.counts
    record = replace(record, instances=None if counts is None else counts.completed + counts.warning)
    failed = 0 if counts is None else counts.failed
    if failed or category(response.status) is Category.FAILURE:
        reason = f"DIMSE status {response.status:04X}" + (f", {failed} failed" if failed else "")
        return replace(record, outcome=Outcome.FAILED, reason=reason)
    return record


def _reason(error: Exception) -> str:
    if isinstance(error, Refused):
        return f"DIMSE status {error.status:04X}"
    if isinstance(error, IsthmusError):
        return error.title
    return "Cancelled" if isinstance(error, Cancelled) else "The association was over"


def _end_of(stored: _Stored) -> AuditRecord:
    """Say how much came of a study, and how much could not be stored."""
    record = replace(
        stored.record,
        time=now(),
        event=AuditEvent.INSTANCES_TRANSFERRED,
        action_code=ActionCode.CREATE,
        instances=stored.stored,
    )
    if not stored.failed:
        return record
    return replace(record, outcome=Outcome.FAILED, reason=f"{stored.failed} not stored")


def _keys_of(identifier: bytes, transfer_syntax_uid: str) -> Dataset:
    """Read an Identifier; one that cannot be read has no keys, as the answer will say."""
    try:
        return read_data_set(BytesIO(identifier), transfer_syntax_uid, DATA_SET_MISMATCH)
    except Refused:
        return Dataset()
