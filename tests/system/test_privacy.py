"""Problems can be traced, and neither they nor logs, traces and metrics name a patient."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
import pytest

from isthmus.common.config.settings import S3
from isthmus.common.dicomweb.transactions import TRANSACTIONS
from tests.documents.telemetry_page import attribute_names
from tests.peers import Storescp
from tests.peers.process import eventually
from tests.system.collector import Collector
from tests.system.every_path import Paths, every_path
from tests.system.gateway import Gateway
from tests.system.marked import MARKS, told
from tests.system.multipart import PAYLOAD, payload
from tests.system.patient_data import leaks, patient_data, texts, traces
from tests.system.problem import problem

ORIGIN: Final = "orthanc-both"
FAIL: Final = frozenset({"failing", "refusing", "blab"})
"""The origins that give nothing."""
WORK: Final[Mapping[str, Sequence[str]]] = {
    "qido": ("send dicom.query", "GET /dicomweb/studies"),
    "wado": ("send dicom.retrieve", "process pixels"),
    "stow": ("send dicom.store", "send dicom.delete", "POST /dicomweb/studies"),
    "scp": (
        *("C-FIND", "C-GET", "C-MOVE", "C-STORE", "N-ACTION", "DIMSE association"),
        *("send dicom.query", "send dicom.retrieve", "send dicom.store", "send dicom.worklist"),
        *("send dicom.received", "send dicom.events", "process dicom.commit", "process dicom.committed"),
    ),
    "dimse-scu": (
        *("C-ECHO", "C-FIND", "C-GET", "C-MOVE", "C-STORE", "process dicom.query", "process dicom.retrieve"),
        *("process dicom.received", "process dicom.store", "process dicom.worklist"),
    ),
    "web-scu": (
        *("HTTP GET", "HTTP POST", "scan bucket", "refresh study of a bucket", "send dicom.events"),
        *("process dicom.query", "process dicom.retrieve", "process dicom.store", "process dicom.delete"),
    ),
    "arrivals": (
        *("merge into study", "look at study", "publish study.arrived", "publish study.amended"),
        *("deliver webhook", "process dicom.forward", "send dicom.store", "send dicom.dead"),
    ),
}
"""What each service did, by the names of its spans."""
SERVICES: Final = frozenset(WORK)


def test_a_problem_is_found_by_the_trace_that_the_client_began(http: httpx2.Client) -> None:
    trace_id = uuid4().hex
    headers = {"traceparent": f"00-{trace_id}-{uuid4().hex[:16]}-01"}
    response = http.get(f"/aets/{ORIGIN}/studies?limit=-1", headers=headers)
    assert problem(response, 400)["trace_id"] == trace_id


@pytest.mark.parametrize(
    "path", ["studies?StudyDate={}", "studies?limit={}", "studies?includefield={}", "studies/{}*/series"]
)
def test_a_problem_does_not_repeat_what_was_written(http: httpx2.Client, path: str) -> None:
    response = http.get(f"/aets/{ORIGIN}/{path.format('Doe^Archibald')}")
    problem(response, 400)
    assert "Archibald" not in response.text


def test_no_log_and_no_trace_names_a_patient(
    gateway: Gateway, http: httpx2.Client, corpus: list[Path], storescp: Storescp, ct: Path
) -> None:
    """Of whatever the system was asked in this run, and here by its patients' names and ids."""
    values = patient_data(corpus)
    assert "Doe^Archibald" in values
    for value in values:
        for query in ({"PatientName": value}, {"PatientID": value}, {"StudyDate": value}):
            http.get(f"/aets/{ORIGIN}/studies", params=query)
        http.get("/aets/nowhere/studies", params={"PatientName": value})
        http.get(f"/aets/{value}/studies")
        http.get(f"/aets/{ORIGIN}/studies/{value}")
    http.post("/aets/receiver/studies", content=payload([ct.read_bytes()]), headers={"Content-Type": PAYLOAD})
    last = http.get("/aets", headers={"traceparent": f"00-{'7e57' * 8}-{'1' * 16}-01"})
    assert last.status_code == 200
    assert eventually(lambda: "7e57" * 8 in traces(gateway))
    assert leaks({"nowhere"}, gateway)  # what is there is found
    assert leaks(values, gateway) == set()


@pytest.fixture(scope="module")
def gone(
    tmp_path_factory: pytest.TempPathFactory, bucket: S3, _storescp: Storescp
) -> Iterator[tuple[Paths, dict[str, str]]]:
    """Every path of a system of its own, once, and all that the system told of it until it had stopped."""
    with Collector() as collector:
        paths = every_path(tmp_path_factory.mktemp("marked"), bucket, _storescp.peer, collector)
        told = {f"collector: {name}": text for name, text in collector.texts().items()}
        yield paths, {**told, **paths.said, **{str(file): text for file, text in texts(paths.system).items()}}


def test_every_service_told_something(gone: tuple[Paths, dict[str, str]]) -> None:
    paths, _ = gone
    spans = paths.collector.all_spans()
    assert {span.service for span in spans} == SERVICES
    assert paths.collector.measuring() == SERVICES
    assert {name.partition(" ")[0] for name in paths.said if "metrics" in name} == SERVICES
    assert {str(span.attributes.get("dicom.origin", "")) for span in spans} >= paths.origins


def test_every_path_was_gone_to_its_end(gone: tuple[Paths, dict[str, str]]) -> None:
    """What ended early has told less, and shows nothing."""
    paths, _ = gone
    spans = paths.collector.all_spans()
    seen = {(span.service, span.name) for span in spans}
    assert {(service, name) for service, some in WORK.items() for name in some} - seen == set()
    asked = {f"{one.method} /aets/{{origin}}{one.path}" for one in TRANSACTIONS}
    assert asked - {name for _, name in seen} == set()
    failed = {span.name for span in spans if span.status == "error" and span.service == "dimse-scu"}
    assert failed >= {"C-FIND", "C-GET", "C-MOVE", "C-STORE"}
    gives = {origin: 502 if origin in FAIL else 200 for origin in paths.origins}
    assert {key: status for key, status in paths.answered.items() if status != gives[key[0]]} == {}


def test_no_span_metric_or_line_of_a_log_names_a_patient(gone: tuple[Paths, dict[str, str]]) -> None:
    _, said = gone
    assert told(said, {"failing"})  # what is there is found
    assert told(said) == set()
    assert len(MARKS) == 7


def test_nothing_but_the_commands_names_a_study(gone: tuple[Paths, dict[str, str]]) -> None:
    paths, said = gone
    exported = {name: text for name, text in said.items() if not name.startswith("isthmus ")}
    assert len(exported) > len(SERVICES)
    assert told(exported, paths.uids) == set()


def test_no_span_has_an_attribute_that_is_not_declared(gone: tuple[Paths, dict[str, str]]) -> None:
    paths, _ = gone
    seen = {name for span in paths.collector.all_spans() for name in span.attributes}
    assert seen - set(attribute_names()) == set()
    assert all(not event.attributes for span in paths.collector.all_spans() for event in span.events)


def test_of_the_trace_context_only_the_traceparent_leaves(gone: tuple[Paths, dict[str, str]]) -> None:
    """Although clients came with a baggage and a tracestate."""
    paths, _ = gone
    for sent in (paths.to_webhook, paths.to_origin):
        assert sent
        assert all("traceparent" in headers for headers in sent)
        assert [headers for headers in sent if {"baggage", "tracestate"} & set(headers)] == []
