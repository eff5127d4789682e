"""What a trace says of DIMSE: who, how many, which status; never a UID or patient data."""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydicom.dataset import Dataset
from pynetdicom import evt

from isthmus.common.dimse import FIND, STUDY_ROOT_FIND, VERIFICATION, Association, AssociationPool
from isthmus.common.errors import OperationFailed
from isthmus.common.telemetry import spans
from isthmus.common.threads import Threads
from tests.common.dimse.acceptor import VERIFICATION_CLASS, acceptor, match, on, query
from tests.common.dimse.local_slots import LocalSlots


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(spans._Installed, "tracer", provider.get_tracer("test"))
    return memory


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_an_operation_is_inside_its_association(exporter: InMemorySpanExporter) -> None:
    threads = Threads("dimse", 2)
    with acceptor() as to:
        pool = AssociationPool(to, LocalSlots(1), threads)
        await pool.run([VERIFICATION], Association.echo)
        await pool.close()
    threads.close()
    found = by_name(exporter)
    association = found["DIMSE association"]
    for name in ("DIMSE negotiation", "C-ECHO"):
        parent = found[name].parent
        assert parent is not None
        assert association.context is not None
        assert parent.span_id == association.context.span_id
    assert dict(found["C-ECHO"].attributes or {}) == {
        "dicom.origin": "pacs",
        "dicom.called_ae": "PACS",
        "dicom.calling_ae": "ISTHMUS",
        "dicom.status": "0x0000",
    }


def test_a_search_tells_how_many_matched_and_how_it_ended_and_nothing_else(
    exporter: InMemorySpanExporter,
) -> None:
    def handle(_: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, match(1)
        yield 0xA700, None

    with acceptor(on(evt.EVT_C_FIND, handle), classes=[STUDY_ROOT_FIND, VERIFICATION_CLASS]) as to:
        association = Association.open(to, [FIND])
        with pytest.raises(OperationFailed):
            list(association.find(STUDY_ROOT_FIND, query(PatientName="Geheim")))
        association.release()
    search = by_name(exporter)["C-FIND"]
    assert search.attributes is not None
    assert (search.attributes["dicom.matches"], search.attributes["dicom.status"]) == (1, "0xA700")
    assert not search.status.is_ok
    everything = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "Geheim" not in everything
    assert "1.2.1" not in everything
