"""What traces and logs say of a C-MOVE: how many and to whom; never a UID or who the patient is."""

import asyncio
from pathlib import Path

import pydicom
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from isthmus.common.telemetry import spans
from tests.data_sets import identity
from tests.peers import Peer
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import PATIENT_ROOT, move, wish
from tests.scp.retrieving.getter import Getter


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(spans._Installed, "tracer", provider.get_tracer("test"))
    return memory


async def test_a_trace_counts_and_names_nobody(
    called: Peer,
    receiver: Receiver,
    images: list[Path],
    exporter: InMemorySpanExporter,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receiver.answer = lambda number: 0xA700 if number == 1 else 0xB000 if number == 2 else 0
    uids = identity(images[0])
    patient = str(pydicom.dcmread(images[0]).PatientID)
    wanted = wish("STUDY", StudyInstanceUID=uids.study_instance_uid)
    await asyncio.to_thread(move, called, "RECEIVER", wanted)
    await asyncio.to_thread(move, called, "RECEIVER", wish("PATIENT", PatientID=patient), model=PATIENT_ROOT)
    await asyncio.to_thread(Getter().get, called, wanted)
    ended = exporter.get_finished_spans()
    (first, _) = (one for one in ended if one.name == "C-MOVE")
    said = dict(first.attributes or {})
    assert said["dicom.sub_operations.completed"] == len(images) - 2
    assert (said["dicom.sub_operations.failed"], said["dicom.sub_operations.warning"]) == (1, 1)
    stores = [one for one in ended if one.name == "C-STORE"]
    assert len(stores) == 3 * len(images)
    traces = {one.context.trace_id for one in ended if one.context and one.name in ("C-MOVE", "C-GET")}
    assert {one.context.trace_id for one in stores if one.context} == traces
    text = capsys.readouterr().out + "".join(one.to_json() for one in ended)
    assert "C-MOVE" in text
    for secret in (*(identity(image).sop_instance_uid for image in images), *uids, patient):
        assert not secret or secret not in text
