"""What clients get wrong, through the real gateway: a status that says so, and a problem that names it."""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
import pytest

from tests.data_sets import Identity, identity, raw_dataset
from tests.peers import Storescp
from tests.peers.process import eventually
from tests.system.gateway import Gateway
from tests.system.multipart import BOUNDARY, PAYLOAD, Answer, payload
from tests.system.patient_data import leaks, patient_data, traces

ORIGIN: Final = "orthanc-both"
UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"
CANNOT_UNDERSTAND: Final = 0xC000
STUDY_MISMATCH: Final = 0xA901

Problem = Mapping[str, object]


def problem(response: httpx2.Response, status: int) -> Problem:
    """Check what every error has, and give its members."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    members: Problem = response.json()
    assert members["status"] == status
    assert members["title"]
    assert members["detail"]
    assert members["trace_id"] == response.headers["traceresponse"].split("-")[1]
    return members


@pytest.fixture(scope="module")
def ct(corpus: list[Path]) -> Path:
    """An uncompressed CT image, which the archive holds."""
    return next(file for file in corpus if file.name == "CT_small.dcm")


@pytest.fixture(scope="module")
def mr(corpus: list[Path]) -> Path:
    """An MR image of another study."""
    return next(file for file in corpus if file.name == "MR_small.dcm")


@pytest.fixture(scope="module")
def who(ct: Path) -> Identity:
    return identity(ct)


class TestSearching:
    @pytest.mark.parametrize(
        ("parameter", "value"),
        [
            ("limit", "-1"),
            ("limit", "many"),
            ("offset", "-1"),
            ("fuzzymatching", "perhaps"),
            ("includefield", "NoSuchKeyword"),
            ("includefield", "0010001"),
            ("NoSuchKeyword", "1"),
            ("ABCD1234", "1"),
            ("StudyDate", "20201301"),
            ("StudyDate", "2020-01-31"),
            ("StudyDate", "20201231-20200101"),
            ("StudyDate", "20200101-20200201-20200301"),
            ("StudyTime", "2500"),
            ("PatientAge", "old"),
            ("StudyInstanceUID", "1.2 3"),
            ("0020000D", "1.2;drop"),
            ("SeriesInstanceUID", "1.2.3"),
            ("RequestAttributesSequence.NoSuchKeyword", "1"),
        ],
    )
    def test_a_parameter_that_cannot_be_is_400_and_named(
        self, http: httpx2.Client, parameter: str, value: str
    ) -> None:
        response = http.get(f"/aets/{ORIGIN}/studies", params={parameter: value})
        assert problem(response, 400)["parameter"] == parameter

    def test_the_same_attribute_twice_is_400(self, http: httpx2.Client) -> None:
        response = http.get(f"/aets/{ORIGIN}/studies?PatientID=1&00100020=2")
        assert problem(response, 400)["parameter"] == "00100020"

    def test_bytes_that_are_no_utf_8_are_400(self, http: httpx2.Client) -> None:
        problem(http.get(f"/aets/{ORIGIN}/studies?PatientName=M%FCller"), 400)

    def test_other_unknown_parameters_are_ignored(self, http: httpx2.Client, who: Identity) -> None:
        response = http.get(
            f"/aets/{ORIGIN}/studies", params={"_dc": "1", "StudyInstanceUID": who.study_instance_uid}
        )
        assert response.status_code == 200
        assert len(response.json()) == 1

    def test_nothing_matches_an_unknown_study(self, http: httpx2.Client) -> None:
        response = http.get(f"/aets/{ORIGIN}/studies/{UNKNOWN}/series")
        assert (response.status_code, response.json()) == (200, [])

    @pytest.mark.parametrize("accept", ["text/html", "application/dicom+xml", "application/dicom"])
    def test_what_it_cannot_give_is_406_with_what_it_can(self, http: httpx2.Client, accept: str) -> None:
        response = http.get(f"/aets/{ORIGIN}/studies", headers={"Accept": accept})
        assert problem(response, 406)["available"] == ["application/dicom+json", "application/json"]


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "parameter"),
        [
            ("studies/1%202/series", "StudyInstanceUID"),
            ("studies/1.2*/series", "StudyInstanceUID"),
            ("studies/1%0A2/series", "StudyInstanceUID"),
            (f"studies/{'1' * 129}/series", "StudyInstanceUID"),
            ("studies/1.2/series/3%5C4/instances", "SeriesInstanceUID"),
            ("studies/%C3%BC", "StudyInstanceUID"),
            (f"studies/{'1' * 129}", "StudyInstanceUID"),
            ("studies/1.2%00/metadata", "StudyInstanceUID"),
            ("studies/1.2/series/a%20b/metadata", "SeriesInstanceUID"),
            ("studies/1.2/series/3/instances/%3E", "SOPInstanceUID"),
        ],
    )
    def test_a_uid_outside_the_grammar_is_400_and_named(
        self, http: httpx2.Client, path: str, parameter: str
    ) -> None:
        response = http.get(f"/aets/{ORIGIN}/{path}")
        assert problem(response, 400)["parameter"] == parameter

    @pytest.mark.parametrize("name", ["elsewhere", "all", "Orthanc-both", "a.b", "%3E", "x" * 64])
    @pytest.mark.parametrize("path", ["", "/studies", f"/studies/{UNKNOWN}", f"/studies/{UNKNOWN}/metadata"])
    def test_an_unknown_origin_is_404(self, http: httpx2.Client, name: str, path: str) -> None:
        problem(http.get(f"/aets/{name}{path}"), 404)

    @pytest.mark.parametrize(
        "path", ["/nothing", "/aets/", f"/aets/{ORIGIN}/nothing", "/healthz", "/metrics"]
    )
    def test_no_resource_is_404(self, http: httpx2.Client, path: str) -> None:
        response = http.get(path)
        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == 404
        assert response.json()["detail"]

    @pytest.mark.parametrize("path", ["nothing", "1.2/nothing", "1.2/series/3/frames/1"])
    def test_no_resource_of_a_study_is_404(self, http: httpx2.Client, path: str) -> None:
        problem(http.get(f"/aets/{ORIGIN}/studies/1.2/series/{path}"), 404)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "studies"),
            ("DELETE", f"studies/{UNKNOWN}"),
            ("POST", f"studies/{UNKNOWN}/metadata"),
            ("POST", f"studies/{UNKNOWN}/series"),
            ("POST", "series"),
        ],
    )
    def test_a_method_that_there_is_not_is_405(self, http: httpx2.Client, method: str, path: str) -> None:
        response = http.request(method, f"/aets/{ORIGIN}/{path}")
        problem(response, 405)
        assert "GET" in response.headers["Allow"]


class TestRetrieving:
    @pytest.mark.parametrize(
        "path",
        [
            "",
            "/metadata",
            "/series/1.2",
            "/series/1.2/metadata",
            "/series/1.2/instances/3.4",
            "/series/1.2/instances/3.4/metadata",
            "/series/1.2/instances/3.4/bulkdata/7FE00010",
        ],
    )
    def test_an_unknown_study_is_404(self, http: httpx2.Client, path: str) -> None:
        problem(http.get(f"/aets/{ORIGIN}/studies/{UNKNOWN}{path}"), 404)

    @pytest.mark.parametrize("path", ["series/1.2", "series/{series}/instances/3.4"])
    def test_an_unknown_part_of_a_study_is_404(self, http: httpx2.Client, who: Identity, path: str) -> None:
        part = path.format(series=who.series_instance_uid)
        problem(http.get(f"/aets/{ORIGIN}/studies/{who.study_instance_uid}/{part}"), 404)

    @pytest.mark.parametrize("value", ["00104000", "00081140", "7FE00010/1/00100010"])
    def test_a_value_that_there_is_not_is_404(self, http: httpx2.Client, who: Identity, value: str) -> None:
        problem(http.get(f"{instance(who)}/bulkdata/{value}"), 404)

    @pytest.mark.parametrize(
        "value", ["PixelData", "7FE0001", "7FE00010/9", "7FE00010/x", "..%2F..%2Fmetadata"]
    )
    def test_a_path_of_no_value_is_400(self, http: httpx2.Client, who: Identity, value: str) -> None:
        problem(http.get(f"{instance(who)}/bulkdata/{value}"), 400)

    @pytest.mark.parametrize(
        ("path", "accept", "available"),
        [
            ("", "image/png", ['multipart/related; type="application/dicom"', "application/dicom"]),
            (
                "",
                'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90',
                ['multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'],
            ),
            ("/metadata", "application/dicom+xml", ["application/dicom+json", "application/json"]),
            (
                "/bulkdata/7FE00010",
                "image/jpeg",
                ['multipart/related; type="application/octet-stream"', "application/octet-stream"],
            ),
        ],
    )
    def test_what_it_cannot_give_is_406_with_what_it_can(
        self, http: httpx2.Client, who: Identity, path: str, accept: str, available: Sequence[str]
    ) -> None:
        response = http.get(f"{instance(who)}{path}", headers={"Accept": accept})
        assert problem(response, 406)["available"] == available

    def test_a_study_is_never_a_single_object(self, http: httpx2.Client, who: Identity) -> None:
        url = f"/aets/{ORIGIN}/studies/{who.study_instance_uid}"
        response = http.get(url, headers={"Accept": "application/dicom"})
        assert problem(response, 406)["available"] == ['multipart/related; type="application/dicom"']

    @pytest.mark.parametrize("accept", ["application/dicom; q=7", "nonsense", 'multipart/related; type="'])
    def test_an_accept_that_cannot_be_read_is_400(
        self, http: httpx2.Client, who: Identity, accept: str
    ) -> None:
        response = http.get(instance(who), headers={"Accept": accept})
        assert problem(response, 400)["parameter"] == "Accept"


def instance(who: Identity) -> str:
    return (
        f"/aets/{ORIGIN}/studies/{who.study_instance_uid}/series/{who.series_instance_uid}"
        f"/instances/{who.sop_instance_uid}"
    )


class TestStoring:
    """At the receiver that keeps whatever it is sent."""

    url: Final = "/aets/receiver/studies"

    def post(self, http: httpx2.Client, body: bytes, content_type: str = PAYLOAD) -> httpx2.Response:
        return http.post(self.url, content=body, headers={"Content-Type": content_type})

    @pytest.mark.parametrize(
        "body",
        [b"", b"no boundary at all", payload([]), payload([b"This is no DICOM object. " * 100])],
        ids=["empty", "no boundary", "no part", "no object"],
    )
    def test_a_body_in_which_nothing_can_be_read_is_400(
        self, http: httpx2.Client, storescp: Storescp, body: bytes
    ) -> None:
        problem(self.post(http, body), 400)
        assert storescp.files() == []

    def test_an_object_of_no_bytes_is_400(self, http: httpx2.Client) -> None:
        problem(self.post(http, b"", "application/dicom"), 400)

    def test_a_missing_boundary_is_400(self, http: httpx2.Client, ct: Path) -> None:
        problem(
            self.post(http, payload([ct.read_bytes()]), 'multipart/related; type="application/dicom"'), 400
        )

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/pdf",
            "application/dicom+json",
            f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}',
            f"multipart/form-data; boundary={BOUNDARY}",
            "nonsense",
        ],
    )
    def test_a_payload_of_another_type_is_415(
        self, http: httpx2.Client, storescp: Storescp, ct: Path, content_type: str
    ) -> None:
        problem(self.post(http, payload([ct.read_bytes()]), content_type), 415)
        assert storescp.files() == []

    def test_a_payload_of_no_type_is_415(self, http: httpx2.Client, ct: Path) -> None:
        problem(http.post(self.url, content=payload([ct.read_bytes()])), 415)

    def test_a_compressed_body_is_415(self, http: httpx2.Client, ct: Path) -> None:
        headers = {"Content-Type": PAYLOAD, "Content-Encoding": "gzip"}
        problem(http.post(self.url, content=payload([ct.read_bytes()]), headers=headers), 415)

    def test_a_response_that_there_is_not_is_406(
        self, http: httpx2.Client, storescp: Storescp, ct: Path
    ) -> None:
        headers = {"Content-Type": PAYLOAD, "Accept": "text/plain"}
        response = http.post(self.url, content=payload([ct.read_bytes()]), headers=headers)
        assert problem(response, 406)["available"] == ["application/dicom+json", "application/json"]
        assert storescp.files() == []

    def test_a_uid_outside_the_grammar_is_400(self, http: httpx2.Client, ct: Path) -> None:
        response = http.post(
            f"{self.url}/1%202", content=payload([ct.read_bytes()]), headers={"Content-Type": PAYLOAD}
        )
        assert problem(response, 400)["parameter"] == "StudyInstanceUID"

    def test_an_unknown_origin_is_404(self, http: httpx2.Client, ct: Path) -> None:
        response = http.post(
            "/aets/elsewhere/studies",
            content=payload([ct.read_bytes()]),
            headers={"Content-Type": PAYLOAD},
        )
        assert problem(response, 404)["origin"] == "elsewhere"

    def test_of_a_truncated_body_what_was_whole_is_stored_and_the_rest_is_named(
        self, http: httpx2.Client, storescp: Storescp, ct: Path, mr: Path
    ) -> None:
        response = self.post(http, payload([ct.read_bytes(), mr.read_bytes()[:-100]], closed=False))
        assert response.status_code == 202
        answer = Answer.from_response(response)
        assert list(answer.stored) == [identity(ct).sop_instance_uid]
        assert answer.failed == {identity(mr).sop_instance_uid: CANNOT_UNDERSTAND}
        assert storescp.datasets() == {identity(ct).sop_instance_uid: [raw_dataset(ct)]}

    def test_of_a_client_that_leaves_in_the_middle_nothing_is_stored(
        self, gateway: Gateway, http: httpx2.Client, storescp: Storescp, ct: Path, mr: Path
    ) -> None:
        body = payload([ct.read_bytes(), mr.read_bytes()])
        url = httpx2.URL(gateway.url)
        with socket.create_connection((url.host, url.port or 80)) as client:
            client.sendall(
                f"POST {self.url} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nContent-Type: {PAYLOAD}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
            )
            client.sendall(body[:-100])
            client.shutdown(socket.SHUT_WR)
            assert b" 200 " not in client.recv(64 * 1024).partition(b"\r\n")[0]
        assert self.post(http, payload([mr.read_bytes()])).status_code == 200
        assert storescp.datasets() == {identity(mr).sop_instance_uid: [raw_dataset(mr)]}

    def test_a_part_that_is_no_object_does_not_keep_the_others_out(
        self, http: httpx2.Client, storescp: Storescp, ct: Path, mr: Path
    ) -> None:
        response = self.post(http, payload([ct.read_bytes(), b"This is none. " * 100, mr.read_bytes()]))
        assert response.status_code == 202
        answer = Answer.from_response(response)
        assert set(answer.stored) == {identity(ct).sop_instance_uid, identity(mr).sop_instance_uid}
        assert (answer.failed, answer.unreadable) == ({}, [CANNOT_UNDERSTAND])
        assert set(storescp.datasets()) == set(answer.stored)

    def test_instances_of_another_study_than_the_urls_are_named_and_not_sent(
        self, http: httpx2.Client, storescp: Storescp, ct: Path, mr: Path
    ) -> None:
        response = http.post(
            f"{self.url}/{identity(ct).study_instance_uid}",
            content=payload([ct.read_bytes(), mr.read_bytes()]),
            headers={"Content-Type": PAYLOAD},
        )
        assert response.status_code == 202
        answer = Answer.from_response(response)
        assert list(answer.stored) == [identity(ct).sop_instance_uid]
        assert answer.failed == {identity(mr).sop_instance_uid: STUDY_MISMATCH}
        assert set(storescp.datasets()) == set(answer.stored)

    def test_instances_of_another_study_alone_are_409(
        self, http: httpx2.Client, storescp: Storescp, ct: Path
    ) -> None:
        response = http.post(
            f"{self.url}/{UNKNOWN}", content=payload([ct.read_bytes()]), headers={"Content-Type": PAYLOAD}
        )
        assert response.status_code == 409
        answer = Answer.from_response(response)
        assert (answer.stored.total(), answer.failed) == (
            0,
            {identity(ct).sop_instance_uid: STUDY_MISMATCH},
        )
        assert storescp.files() == []


class TestAnOriginThatIsDown:
    @pytest.mark.parametrize(
        "path",
        [
            "studies",
            f"studies/{UNKNOWN}/series",
            f"studies/{UNKNOWN}",
            f"studies/{UNKNOWN}/metadata",
            f"studies/{UNKNOWN}/series/1.2/instances/3.4",
        ],
    )
    def test_reading_is_502_again_and_again(self, http: httpx2.Client, path: str) -> None:
        for _ in range(2):
            response = http.get(f"/aets/nowhere/{path}", timeout=20)
            members = problem(response, 502)
            assert members["type"] == "urn:isthmus:problem:origin-unreachable"
            assert members["origin"] == "nowhere"

    def test_storing_is_502(self, http: httpx2.Client, ct: Path, mr: Path) -> None:
        response = http.post(
            "/aets/nowhere/studies",
            content=payload([ct.read_bytes(), mr.read_bytes()]),
            headers={"Content-Type": PAYLOAD},
            timeout=20,
        )
        assert problem(response, 502)["origin"] == "nowhere"

    def test_its_health_is_503(self, http: httpx2.Client) -> None:
        response = http.get("/aets/nowhere", timeout=20)
        assert response.status_code == 503
        assert response.json()["ok"] is False
        assert response.json()["detail"]


class TestAnOriginThatOnlyStores:
    def test_searching_is_502(self, http: httpx2.Client) -> None:
        members = problem(http.get("/aets/receiver/studies"), 502)
        assert members["type"] == "urn:isthmus:problem:no-accepted-context"
        assert members["origin"] == "receiver"

    def test_retrieving_is_502(self, http: httpx2.Client) -> None:
        assert problem(http.get(f"/aets/receiver/studies/{UNKNOWN}"), 502)["origin"] == "receiver"


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
    assert eventually(lambda: "7e57" * 8 in traces(gateway), timeout_seconds=20)
    assert leaks({"nowhere"}, gateway)  # what is there is found
    assert leaks(values, gateway) == set()
