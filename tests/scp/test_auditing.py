"""What is recorded of what comes over associations, and that without a record there is no Success."""

from collections.abc import AsyncIterator, Callable

import pytest
from pydicom.dataset import Dataset

from isthmus.common.bus import Bus
from isthmus.common.bus.streams import AUDIT
from isthmus.common.config import Inbox
from isthmus.common.service import Parts
from isthmus.scp.finding.identifier_text import identifier_text, patient_ids
from isthmus.scp.worker import Server
from tests.audited import audited
from tests.scp.conftest import INBOX, Sending, send
from tests.scp.modality import MODALITY, services, with_callers
from tests.scp.reporting import STEP, answers, change, creating, item, new_step, series, setting
from tests.waiting import until

OUT_OF_RESOURCES = 0xA700


def of_patient(dataset: bytes, patient: bytes) -> bytes:
    """Put a Patient ID behind the Patient's Name."""
    at = dataset.index(b"\x20\x00\x0d\x00UI")
    return dataset[:at] + b"\x10\x00\x20\x00LO" + len(patient).to_bytes(2, "little") + patient + dataset[at:]


@pytest.fixture
async def no_audit(bus: Bus) -> AsyncIterator[None]:
    """Nothing takes records."""
    await bus.jetstream.delete_stream(AUDIT)
    yield
    await bus.declare()


async def test_of_what_is_stored_each_study_begins_and_ends(
    server: Server, bus: Bus, inbox: Inbox, dataset: Callable[..., bytes]
) -> None:
    sent = [
        Sending(of_patient(dataset(study, instance), b"P-17"), instance)
        for study, instance in (("1.2.3", "1.2.3.4"), ("1.2.3", "1.2.3.5"), ("1.2.9", "1.2.9.4"))
    ]
    await send(server, *sent, Sending(b"nothing", "1.2.3.6"), calling="CT1", called=INBOX)
    records = await until(lambda: audited(bus, origin=inbox.name), lambda found: len(found) >= 4)
    assert [(one.event, one.studies, one.instances) for one in records] == [
        ("begin-transferring", ("1.2.3",), None),
        ("begin-transferring", ("1.2.9",), None),
        ("instances-transferred", ("1.2.3",), 2),
        ("instances-transferred", ("1.2.9",), 1),
    ]
    assert {one.patients for one in records} == {("P-17",)}
    assert {(one.action, one.who, one.address) for one in records} == {
        ("C-STORE", "ae-title:CT1", "127.0.0.1")
    }
    assert {one.called_ae_title for one in records} == {INBOX}


async def test_what_is_not_stored_is_a_failure_at_the_end(
    server: Server, bus: Bus, inbox: Inbox, dataset: Callable[..., bytes]
) -> None:
    good = Sending(dataset())
    other = Sending(dataset(instance="1.2.3.5"), "1.2.3.7")  # not the UID of its command
    await send(server, good, other, called=INBOX)
    records = await until(lambda: audited(bus, origin=inbox.name), lambda found: len(found) >= 2)
    assert (records[-1].outcome, records[-1].instances, records[-1].reason) == ("failed", 1, "1 not stored")


async def test_what_cannot_be_recorded_is_not_stored(
    server: Server, no_audit: None, dataset: Callable[..., bytes]
) -> None:
    (result,) = await send(server, Sending(dataset()), called=INBOX)
    assert result.status == OUT_OF_RESOURCES


async def test_what_a_step_tells_is_recorded(parts: Parts, bus: Bus, inbox: Inbox) -> None:
    step = new_step()
    step.PatientID = "P-17"
    async with services(with_callers(parts, inbox)) as port:
        await answers(port, creating(step), setting(change("COMPLETED", series("1.2.3.4"))))
    created, changed = await audited(bus, origin=inbox.name)
    assert (created.event, created.action, created.action_code) == ("procedure-record", "N-CREATE", "C")
    assert (created.studies, created.patients, created.resource) == (("1.2.3",), ("P-17",), STEP)
    assert (changed.action, changed.action_code, changed.instances) == ("N-SET", "U", 1)
    assert changed.who == f"ae-title:{MODALITY}"


async def test_without_a_record_a_step_is_not_taken(parts: Parts, inbox: Inbox, no_audit: None) -> None:
    async with services(with_callers(parts, inbox)) as port:
        ((status, comment),) = await answers(port, creating(new_step()))
    assert status == 0x0110
    assert "dicom.audit" in comment


def test_the_keys_of_an_identifier_in_words() -> None:
    step = item(Modality="CT", ScheduledStationAETitle="CT1")
    keys = item(PatientID="P-17", StudyInstanceUID=["1.2", "1.3"], StudyID="")
    keys.ScheduledProcedureStepSequence = [step]
    assert identifier_text(keys) == (
        "PatientID=P-17&StudyInstanceUID=1.2\\1.3"
        "&ScheduledProcedureStepSequence.Modality=CT"
        "&ScheduledProcedureStepSequence.ScheduledStationAETitle=CT1"
    )
    assert patient_ids(keys) == ("P-17",)
    assert patient_ids(item(PatientID="P-*")) == ()
    assert identifier_text(Dataset()) == ""
