"""One trace from the HTTP request over the bus into associations, operations and S3, however exported."""

import itertools
import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx2
import pydicom
import pytest

from isthmus.common.telemetry import SpanLink, SpanRecord, read_spans, tree
from tests.data_sets import identity, make_series
from tests.pacs import FaultyPacs, Slow
from tests.peers import Orthanc, Peer
from tests.peers.process import eventually
from tests.system.collector import Collector
from tests.system.gateway import Gateway
from tests.system.multipart import INSTANCES

IMAGES: Final = 20
ASKED: Final = "DIMSE association"
OPENED: Final = "DIMSE negotiation"

Place = tuple[str, str]
"""The name of a span, and the service that wrote it."""

STUDY: Final[Place] = ("GET /aets/{origin}/studies/{study}", "wado")
SEARCH: Final[Place] = ("GET /aets/{origin}/studies", "qido")
STORE: Final[Place] = ("POST /aets/{origin}/studies", "stow")


def trace_id(response: httpx2.Response) -> str:
    return response.headers["traceresponse"].split("-")[1]


def places(spans: list[SpanRecord]) -> set[tuple[Place | None, Place]]:
    """Which span is inside of which, whatever their number."""
    known = {span.span_id: (span.name, span.service) for span in spans}
    return {(known.get(span.parent_id or ""), (span.name, span.service)) for span in spans}


def named(spans: list[SpanRecord], name: str) -> list[SpanRecord]:
    return [span for span in spans if span.name == name]


@dataclass(frozen=True)
class Traced:
    """A system in front of a PACS that holds a study, and where its spans are found."""

    http: httpx2.Client
    origin: str
    peer: Peer
    images: list[Path]
    exported: Callable[[str], list[SpanRecord]]

    @property
    def study(self) -> str:
        return identity(self.images[0]).study_instance_uid

    def retrieve(self, **headers: str) -> httpx2.Response:
        url = f"/aets/{self.origin}/studies/{self.study}"
        return self.http.get(url, headers={"Accept": INSTANCES, **headers})

    def search(self) -> httpx2.Response:
        return self.http.get(f"/aets/{self.origin}/studies", params={"PatientName": "Implanted*"})

    def store(self) -> httpx2.Response:
        headers = {"Content-Type": "application/dicom"}
        content = self.images[0].read_bytes()
        return self.http.post(f"/aets/{self.origin}/studies", content=content, headers=headers)

    def spans(self, response: httpx2.Response, *kinds: str) -> list[SpanRecord]:
        """Give the spans of a request, when the outermost ones of all services are there.

        Args:
            response: the answer to it.
            kinds: of those spans; by default those of a request that the worker has taken part in.
        """
        found: list[SpanRecord] = []

        def complete() -> bool:
            found[:] = self.exported(trace_id(response))
            there = {span.kind for span in found if span.name != "C-STORE"}  # which are inside of others
            return there >= set(kinds or ("server", "producer", "consumer"))

        assert eventually(complete), places(found)
        return found

    def everyone(self) -> dict[str, str]:
        """What every span of an association says of it."""
        return {
            "dicom.origin": self.origin,
            "dicom.called_ae": self.peer.ae_title,
            "dicom.calling_ae": "ISTHMUS",
        }


SEEDS: Final = itertools.count(100)
"""Of studies: what one test retrieved is held when the next one begins."""


@pytest.fixture
def to_files(gateway: Gateway, http: httpx2.Client, empty_orthanc: Orthanc, tmp_path: Path) -> Traced:
    images = make_series(tmp_path, IMAGES, seed=next(SEEDS))
    empty_orthanc.load(images)
    directory = gateway.data / "traces"
    return Traced(http, "empty", empty_orthanc.peer, images, lambda trace: read_spans(directory, trace))


@pytest.fixture
def to_collector(
    faulty_http: httpx2.Client,
    faulty_origin: str,
    faulty_pacs: FaultyPacs,
    collector: Collector,
    tmp_path: Path,
) -> Traced:
    images = make_series(tmp_path, IMAGES)  # as the PACS holds them
    return Traced(faulty_http, faulty_origin, faulty_pacs.peer, images, collector.spans)


@pytest.fixture(params=["to_files", "to_collector"])
def traced(request: pytest.FixtureRequest) -> Traced:
    """Each of the ways of exporting spans."""
    system: Traced = request.getfixturevalue(request.param)
    return system


def test_a_retrieve_is_one_tree_from_the_request_to_c_get_and_s3(traced: Traced) -> None:
    spans = traced.spans(traced.retrieve())
    (root,) = tree(spans)
    assert (root.span.name, root.span.service) == STUDY
    assert root.span.parent_id is None
    inside = {(outer, inner) for outer, inner in places(spans) if inner[0] != OPENED}
    assert inside == {
        (None, STUDY),
        (STUDY, ("S3 get", "wado")),
        (STUDY, ("send dicom.retrieve", "wado")),
        (("send dicom.retrieve", "wado"), ("process dicom.retrieve", "dimse-scu")),
        (("process dicom.retrieve", "dimse-scu"), ("S3 get", "dimse-scu")),
        (("process dicom.retrieve", "dimse-scu"), (ASKED, "dimse-scu")),
        (("process dicom.retrieve", "dimse-scu"), ("S3 put", "dimse-scu")),
        ((ASKED, "dimse-scu"), ("C-FIND", "dimse-scu")),
        ((ASKED, "dimse-scu"), ("C-GET", "dimse-scu")),
        (("C-GET", "dimse-scu"), ("C-STORE", "dimse-scu")),
        (("C-STORE", "dimse-scu"), ("S3 put", "dimse-scu")),
        (STUDY, ("send dicom.audit", "wado")),
    }


def test_the_spans_of_a_retrieve_tell_who_what_how_much_and_how_it_ended(traced: Traced) -> None:
    spans = traced.spans(traced.retrieve())
    (root,) = named(spans, STUDY[0])
    assert (root.kind, root.attributes["http.response.status_code"]) == ("server", 200)
    (get,) = named(spans, "C-GET")
    assert get.kind == "client"
    assert get.attributes == {
        **traced.everyone(),
        "dicom.status": "0x0000",
        "dicom.received": IMAGES,
        "dicom.sub_operations.completed": IMAGES,
        "dicom.sub_operations.failed": 0,
        "dicom.sub_operations.warning": 0,
    }
    assert [span.attributes["dicom.matches"] for span in named(spans, "C-FIND")] == [1, IMAGES]
    for span in named(spans, ASKED):
        assert span.attributes.items() >= traced.everyone().items()
    # Beside the instances there is the manifest, which is not there yet when it is asked for.
    received = [span for span in named(spans, "C-STORE") if span.parent_id == get.span_id]
    assert [span.kind for span in received] == ["server"] * IMAGES
    parents = {span.span_id for span in received}
    puts = [span for span in named(spans, "S3 put") if span.parent_id in parents]
    assert len(puts) == IMAGES
    (read,) = [span for span in named(spans, "S3 get") if "s3.objects" in span.attributes]
    assert read.service == "wado"
    assert read.attributes["s3.objects"] == IMAGES
    assert read.attributes["s3.size"] == sum(int(str(put.attributes["s3.size"])) for put in puts)
    assert {span.status for span in spans} == {"unset"}


def test_a_search_is_one_tree_from_the_request_to_c_find(traced: Traced) -> None:
    spans = traced.spans(traced.search())
    inside = {(outer, inner) for outer, inner in places(spans) if inner[0] != OPENED}
    assert inside == {
        (None, SEARCH),
        (SEARCH, ("send dicom.query", "qido")),
        (("send dicom.query", "qido"), ("process dicom.query", "dimse-scu")),
        (("process dicom.query", "dimse-scu"), (ASKED, "dimse-scu")),
        ((ASKED, "dimse-scu"), ("C-FIND", "dimse-scu")),
        (SEARCH, ("send dicom.audit", "qido")),
    }
    assert {asked.attributes["dicom.origin"] for asked in named(spans, "send dicom.query")} == {traced.origin}
    for find in named(spans, "C-FIND"):  # of the studies, and of their series for what the PACS leaves out
        matches = find.attributes["dicom.matches"]
        assert find.attributes == {**traced.everyone(), "dicom.matches": matches, "dicom.status": "0x0000"}
        assert isinstance(matches, int)
        assert matches >= 1


def test_a_store_is_one_tree_from_the_request_to_s3_and_c_store(traced: Traced) -> None:
    spans = traced.spans(traced.store())
    inside = {(outer, inner) for outer, inner in places(spans) if inner[0] != OPENED}
    assert inside == {
        (None, STORE),
        (STORE, ("S3 put", "stow")),
        (STORE, ("S3 get", "stow")),  # whose the study is, for its audit record
        (STORE, ("send dicom.store", "stow")),
        (("send dicom.store", "stow"), ("process dicom.store", "dimse-scu")),
        (("process dicom.store", "dimse-scu"), (ASKED, "dimse-scu")),
        ((ASKED, "dimse-scu"), ("S3 get", "dimse-scu")),
        ((ASKED, "dimse-scu"), ("C-STORE", "dimse-scu")),
        (STORE, ("send dicom.audit", "stow")),
        (STORE, ("S3 delete", "stow")),
    }
    (store,) = named(spans, "C-STORE")
    assert store.attributes == {**traced.everyone(), "dicom.status": "0x0000"}


def test_the_trace_of_the_client_is_continued(traced: Traced) -> None:
    trace, parent = secrets.token_hex(16), secrets.token_hex(8)
    response = traced.retrieve(traceparent=f"00-{trace}-{parent}-01")
    assert trace_id(response) == trace
    spans = traced.spans(response)
    assert {span.trace_id for span in spans} == {trace}
    (root,) = tree(spans)
    assert (root.span.parent_id, root.span.name) == (parent, STUDY[0])
    assert response.headers["traceresponse"] == f"00-{trace}-{root.span.span_id}-01"


def test_what_is_no_traceparent_begins_a_trace(traced: Traced) -> None:
    response = traced.retrieve(traceparent=f"00-{'0' * 32}-{'1' * 16}-01")
    (root,) = tree(traced.spans(response))
    assert root.span.parent_id is None
    assert int(trace_id(response), 16)


def test_spans_hold_neither_patient_data_nor_uids(traced: Traced) -> None:
    responses = [traced.retrieve(), traced.search(), traced.store()]
    lines = b"".join(span.to_line() for response in responses for span in traced.spans(response)).decode()
    ds = pydicom.dcmread(traced.images[0], stop_before_pixels=True)
    values = {str(element.value) for element in ds if element.VR in ("PN", "LO", "SH", "UI", "DA")}
    values -= {"", str(ds.SOPClassUID), str(ds.StudyID), str(ds.Manufacturer)}
    assert {str(ds.PatientName), ds.PatientID, ds.StudyInstanceUID} <= values
    assert [value for value in values if value in lines or quote(value) in lines] == []
    assert "Synthetic" not in lines


def test_a_failure_is_in_the_trace_that_the_problem_names(http: httpx2.Client, gateway: Gateway) -> None:
    response = http.get("/aets/nowhere/studies")
    assert response.json()["trace_id"] == trace_id(response)
    exported: list[SpanRecord] = []

    def complete() -> bool:
        exported[:] = read_spans(gateway.data / "traces", trace_id(response))
        return bool(named(exported, SEARCH[0]) and named(exported, ASKED))

    assert eventually(complete)
    (asked,) = named(exported, ASKED)
    assert (asked.status, asked.message) == ("error", "The origin cannot be reached")
    assert asked.attributes["error.type"] == "OriginUnreachable"
    (root,) = named(exported, SEARCH[0])
    assert (root.status, root.attributes["http.response.status_code"]) == ("error", 502)


def test_who_joins_a_transfer_finds_it_by_a_link(to_collector: Traced, faulty_pacs: FaultyPacs) -> None:
    faulty_pacs.behave(Slow(seconds=0.05))
    with ThreadPoolExecutor(2) as clients:
        answers = [answer.result() for answer in [clients.submit(to_collector.retrieve) for _ in range(2)]]

    def transferred() -> bool:
        return any(
            named(to_collector.exported(trace_id(answer)), "process dicom.retrieve") for answer in answers
        )

    assert eventually(transferred)
    traces = [to_collector.spans(answer, "server") for answer in answers]
    began = next(spans for spans in traces if named(spans, "C-GET"))
    (joined,) = [spans for spans in traces if not named(spans, "C-GET")]
    (transfer,) = named(began, "process dicom.retrieve")
    (root,) = named(joined, STUDY[0])
    assert root.links == (SpanLink(transfer.trace_id, transfer.span_id),)


def test_isthmus_trace_prints_the_tree(to_files: Traced, gateway: Gateway) -> None:
    response = to_files.retrieve()
    to_files.spans(response)
    shown = gateway.isthmus("trace", trace_id(response))
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    names = [STUDY[0], "send dicom.retrieve", "process dicom.retrieve", ASKED, "C-GET", "C-STORE", "S3 put"]
    columns = [next(line.index(name) for line in lines if name in line) for name in names]
    assert columns[0] < columns[1] < columns[2] < columns[3] < columns[4] < columns[5] < columns[6]
    (get,) = [line for line in lines if "C-GET" in line]
    assert f"dicom.sub_operations.completed={IMAGES}" in get


def test_isthmus_trace_gives_json(to_files: Traced, gateway: Gateway) -> None:
    response = to_files.search()
    to_files.spans(response)
    (span,) = json.loads(gateway.isthmus("trace", trace_id(response), "--json").stdout)
    assert (span["trace_id"], span["parent_id"]) == (trace_id(response), None)
    path = [span["name"]]
    while span["children"]:
        span = [child for child in span["children"] if child["name"] != "send dicom.audit"][-1]
        path.append(span["name"])
    assert path == [SEARCH[0], "send dicom.query", "process dicom.query", ASKED, "C-FIND"]
    assert span["attributes"]["dicom.status"] == "0x0000"


def test_isthmus_trace_of_no_trace_fails(gateway: Gateway) -> None:
    shown = gateway.isthmus("trace", secrets.token_hex(16))
    assert shown.returncode == 1
    assert shown.stdout == ""
    assert "no span of trace" in shown.stderr
