"""What clients get wrong when they store, through the real gateway; what was right is stored all the same."""

import socket
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.data_sets import identity, raw_dataset
from tests.peers import Storescp
from tests.system.gateway import Gateway
from tests.system.multipart import BOUNDARY, PAYLOAD, Answer, payload
from tests.system.problem import problem

UNKNOWN: Final = "1.2.3.4.5.6.7.8.9"
CANNOT_UNDERSTAND: Final = 0xC000
STUDY_MISMATCH: Final = 0xA901


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
            "application/json",
            f'multipart/related; type="application/pdf"; boundary={BOUNDARY}',
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
        available = ["application/dicom+json", "application/json", "application/dicom+xml"]
        assert problem(response, 406)["available"] == available
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
