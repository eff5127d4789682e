"""What is recorded of requests, and that nothing is answered that is not (PS3.15 A.5)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import httpx2
import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse

from isthmus.common.access import AccessRoute, PublicRoute
from isthmus.common.access.audit_layer import about_to_delete, about_to_store
from isthmus.common.access.audit_trail import AuditTrail, noted
from isthmus.common.access.patients import Patients
from isthmus.common.auth import Kind, Policy, Principal, Right
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config.access import Rule
from isthmus.common.config.settings import Nats
from isthmus.common.dicom.part10 import file_header
from isthmus.common.errors import IdentityProviderAway, InvalidParameter, NoSuchObject, Unauthenticated
from isthmus.common.messages import BlobRef
from isthmus.common.service.server import application
from tests import planted
from tests.audited import audited

STUDY = "/aets/{origin}/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
RULES = (
    Rule(user="alice", operations=frozenset(Right) - {Right.DELETE}),
    Rule(user="bob", operations=frozenset(Right)),
)


AWAY = "New tokens cannot be judged: It does not answer in time"
WRONG = {
    "mallory": Unauthenticated("The token has expired", error="invalid_token"),
    "twofold": InvalidParameter("link", "is there twice"),
    "new": IdentityProviderAway(AWAY),
}


async def who(connection: HTTPConnection) -> Principal:
    name = connection.headers.get("x-user", "")
    if name in WRONG:
        raise WRONG[name]
    if not name:
        return Principal(Kind.ANYONE, address=connection.headers.get("x-address", "10.1.0.9"))
    return Principal(Kind.USER, name, address="10.1.0.7")


class Face:
    """A face whose answers are made up, and whose records are not."""

    def __init__(self, origin: str, blob: BlobRef) -> None:
        self.origin = origin
        self.blob = blob
        self.began: list[str] = []
        self.status = 200
        self.http: httpx2.AsyncClient

    async def search(self, _: Request) -> Response:
        return Response("[]")

    async def nothing(self, _: Request) -> Response:
        raise NoSuchObject("It has no such study")

    async def short(self, _: Request) -> Response:
        noted(self.blob)
        return Response("pixels")

    async def long(self, _: Request) -> Response:
        return StreamingResponse(self._body(), self.status)

    async def _body(self) -> AsyncGenerator[bytes, None]:
        for number in range(3):
            noted(self.blob if number == 0 else _blob(self.origin, str(number)))
            self.began.append(str(number))
            yield b"instance"

    async def broken(self, _: Request) -> Response:
        async def body() -> AsyncGenerator[bytes, None]:
            yield b"instance"
            raise ConnectionError("broken")

        return StreamingResponse(body())

    async def store(self, request: Request) -> Response:
        await about_to_store(request, self.origin, [self.blob, self.blob, _blob(self.origin, "9", "2.9")])
        self.began.append("stored")
        return Response(status_code=200)

    async def delete(self, request: Request) -> Response:
        await about_to_delete(request, self.origin, request.path_params["study"])
        self.began.append("deleted")
        return Response(status_code=204)

    def routes(self) -> list[AccessRoute | PublicRoute]:
        return [
            AccessRoute("/aets/{origin}/studies", self.search, right=Right.SEARCH),
            AccessRoute("/aets/{origin}/studies", self.store, right=Right.STORE, methods=["POST"]),
            AccessRoute(STUDY, self.long, right=Right.RETRIEVE),
            AccessRoute(STUDY, self.delete, right=Right.DELETE, methods=["DELETE"]),
            AccessRoute(STUDY + "/rendered", self.short, right=Right.RETRIEVE),
            AccessRoute(STUDY + "/metadata", self.short, right=Right.RETRIEVE),
            AccessRoute(SERIES, self.broken, right=Right.RETRIEVE),
            AccessRoute(SERIES + "/metadata", self.nothing, right=Right.RETRIEVE),
            AccessRoute(INSTANCE, self.short, right=Right.RETRIEVE),
            AccessRoute("/dicomweb/wado", self.short, right=Right.RETRIEVE),
            PublicRoute("/healthz", self.search),
        ]

    def client(self, trail: AuditTrail) -> httpx2.AsyncClient:
        app = application(self.routes(), policy=Policy(RULES, [self.origin]), authenticate=who, trail=trail)
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        base = f"http://gateway/aets/{self.origin}/"
        return httpx2.AsyncClient(transport=transport, base_url=base, headers={"x-user": "alice"})


def file_of(patient: str) -> bytes:
    """A Part 10 file of somebody."""
    data, syntax = Dataset(), "1.2.840.10008.1.2.1"
    data.PatientID = patient
    written = DicomBytesIO()
    written.is_little_endian, written.is_implicit_VR = True, False
    write_dataset(written, data)
    header = file_header(
        sop_class_uid="1.4", sop_instance_uid="0", transfer_syntax_uid=syntax, source_ae_title=None
    )
    return header + written.getvalue()


def _blob(origin: str, instance: str, study: str = "1.2") -> BlobRef:
    key = f"held/{origin}/{study}/{instance}"
    return BlobRef("isthmus", key, 1000, study, "1.3", instance, "1.4", "1.2.840.10008.1.2.1")


@pytest.fixture
async def face(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Face]:
    blob = _blob(origin_name, "0")
    await blobs.put(blob.key, [file_of("P-17")])
    face = Face(origin_name, blob)
    async with face.client(AuditTrail(bus, "wado", Patients(blobs))) as face.http:
        yield face


@pytest.fixture
async def unrecorded(nats_settings: Nats, face: Face) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a face that cannot write records."""
    away = await Bus.connect(nats_settings, "away")
    await away.close()
    async with face.client(AuditTrail(away, "wado")) as http:
        yield http


async def test_a_search_is_a_query_with_its_keys(face: Face, bus: Bus) -> None:
    await face.http.get("studies?PatientID=P-17&ModalitiesInStudy=CT")
    (record,) = await audited(bus, origin=face.origin)
    assert (record.service, record.event, record.action_code) == ("wado", "query", "E")
    assert (record.who, record.address, record.outcome) == ("user:alice", "10.1.0.7", "accepted")
    assert record.query == "PatientID=P-17&ModalitiesInStudy=CT"
    assert record.patients == ("P-17",)
    assert record.resource == f"/aets/{face.origin}/studies"


async def test_a_whole_study_begins_and_ends_with_a_record(face: Face, bus: Bus) -> None:
    assert (await face.http.get("studies/1.2")).content == b"instance" * 3
    begins, ends = await audited(bus, origin=face.origin)
    assert (begins.event, begins.action_code) == ("begin-transferring", "E")
    assert (ends.event, ends.action_code, ends.instances) == ("instances-transferred", "R", 3)
    assert {one.studies for one in (begins, ends)} == {("1.2",)}
    assert {one.patients for one in (begins, ends)} == {("P-17",)}


async def test_one_that_breaks_off_ends_with_a_failure(face: Face, bus: Bus) -> None:
    await face.http.get("studies/1.2/series/1.3")
    begins, ends = await audited(bus, origin=face.origin)
    assert (begins.event, begins.outcome, begins.series) == ("begin-transferring", "accepted", "1.3")
    assert (ends.event, ends.outcome) == ("instances-transferred", "failed")
    assert ends.reason == "The answer was broken off"


async def test_an_instance_is_one_record(face: Face, bus: Bus) -> None:
    for _ in range(2):
        await face.http.get("studies/1.2/series/1.3/instances/0")
    first, second = await audited(bus, origin=face.origin)
    assert (first.event, first.instance) == ("instances-transferred", "0")
    assert second.event == first.event


async def test_of_the_parts_of_a_study_there_is_one_record_for_each_who_reads_them(
    face: Face, bus: Bus
) -> None:
    for path in ("studies/1.2/rendered", "studies/1.2/metadata", "studies/1.2/rendered"):
        for user in ("alice", "bob"):
            assert (await face.http.get(path, headers={"x-user": user})).status_code == 200
    records = await audited(bus, origin=face.origin)
    assert [record.who for record in records] == ["user:alice", "user:bob"]
    assert {record.event for record in records} == {"instances-accessed"}
    assert {record.patients for record in records} == {("P-17",)}


async def test_by_wado_uri_too(face: Face, bus: Bus) -> None:
    study = f"9.{face.origin[-8:]}".replace("-", "")
    await face.http.get(f"http://gateway/dicomweb/wado?studyUID={study}&seriesUID=1.3&objectUID=0")
    (record,) = [one for one in await audited(bus, origin="all") if one.studies == (study,)]
    assert (record.event, record.series, record.instance) == ("instances-accessed", "1.3", "0")


async def test_what_is_not_there_is_a_failed_access(face: Face, bus: Bus) -> None:
    assert (await face.http.get("studies/1.2/series/1.3/metadata")).status_code == 404
    (record,) = await audited(bus, origin=face.origin)
    assert (record.event, record.outcome, record.reason) == ("instances-accessed", "failed", "HTTP 404")


async def test_what_is_stored_begins_and_ends_with_a_record_of_each_study(face: Face, bus: Bus) -> None:
    await face.http.post("studies")
    records = await audited(bus, origin=face.origin)
    assert [(one.event, one.studies, one.instances) for one in records] == [
        ("begin-transferring", ("1.2",), 2),
        ("begin-transferring", ("2.9",), 1),
        ("instances-transferred", ("1.2",), 2),
        ("instances-transferred", ("2.9",), 1),
    ]
    assert [one.patients for one in records] == [("P-17",), (), ("P-17",), ()]
    assert [one.action_code for one in records] == ["E", "E", "C", "C"]


async def test_what_is_deleted_is_recorded_before_and_a_whole_study_behind(
    face: Face, bus: Bus, blobs: BlobStore
) -> None:
    await blobs.put(f"inbox/{face.origin}/1.2/1.3/0/d.dcm", [file_of("P-18")])
    await face.http.delete("studies/1.2", headers={"x-user": "bob"})
    before, behind = await audited(bus, origin=face.origin)
    assert (before.event, before.action_code) == ("instances-accessed", "D")
    assert (behind.event, behind.action_code) == ("study-deleted", "D")
    assert {one.patients for one in (before, behind)} == {("P-18",)}


@pytest.mark.parametrize(
    ("user", "status", "kind", "outcome", "why"),
    [
        ("mallory", 401, "", "refused", "The token has expired"),
        ("", 401, "anyone", "refused", "There is no credential, or none that allows it"),
        ("twofold", 400, "", "refused", "link: is there twice"),
        ("new", 503, "", "failed", AWAY),
    ],
)
async def test_an_authentication_that_fails_is_recorded_and_why(
    face: Face, bus: Bus, user: str, status: int, kind: str, outcome: str, why: str
) -> None:
    path = f"studies/{face.origin}"
    assert (await face.http.get(path, headers={"x-user": user})).status_code == status
    (record,) = [one for one in await audited(bus, outcome=outcome) if one.resource.endswith(path)]
    assert (record.event, record.event_type, record.kind) == ("user-authentication", "login", kind)
    assert record.reason == f"HTTP {status}: {why}"
    assert record.address == ("10.1.0.9" if kind else "127.0.0.1")


async def test_what_is_not_allowed_is_an_alert(face: Face, bus: Bus) -> None:
    assert (await face.http.delete("studies/1.2")).status_code == 403
    (record,) = await audited(bus, origin=face.origin)
    assert (record.event, record.event_type) == ("security-alert", "use-of-restricted-function")
    assert (record.outcome, record.who, record.action) == ("refused", "user:alice", "DELETE")
    assert record.studies == ("1.2",)


async def test_so_is_an_origin_that_is_not_there_for_him(face: Face, bus: Bus) -> None:
    other = f"{face.origin}-b"
    assert (await face.http.get(f"http://gateway/aets/{other}/studies")).status_code == 404
    (record,) = await audited(bus, origin=other)
    assert (record.event, record.reason) == ("security-alert", "HTTP 404")


async def test_what_everybody_may_is_not_recorded(face: Face, bus: Bus) -> None:
    before = await audited(bus)
    assert (await face.http.get("http://gateway/healthz")).status_code == 200
    assert await audited(bus) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "studies?PatientID=P-17"),
        ("GET", "studies/1.2"),
        ("GET", "studies/1.2/series/1.3"),
        ("GET", "studies/1.2/rendered"),
        ("GET", "studies/1.2/series/1.3/instances/0"),
        ("POST", "studies"),
        ("DELETE", "studies/1.2"),
    ],
)
async def test_what_cannot_be_recorded_is_not_done(
    face: Face, unrecorded: httpx2.AsyncClient, method: str, path: str
) -> None:
    response = await unrecorded.request(method, path, headers={"x-user": "bob"})
    assert response.status_code == 503
    assert response.json()["type"] == "urn:isthmus:problem:bus-unavailable"
    assert "Retry-After" in response.headers
    assert not {"stored", "deleted"} & {*face.began}
    assert b"instance" not in response.content
    assert b"pixels" not in response.content


async def test_an_error_needs_no_record(unrecorded: httpx2.AsyncClient) -> None:
    assert (await unrecorded.get("studies/1.2/series/1.3/metadata")).status_code == 404


@pytest.mark.parametrize("user", ["mallory", "twofold"])
async def test_a_refusal_does(unrecorded: httpx2.AsyncClient, user: str) -> None:
    assert (await unrecorded.get("studies", headers={"x-user": user})).status_code == 503


async def test_what_a_link_is_opened_by_is_not_recorded(face: Face, bus: Bus) -> None:
    secret = planted.secret("link")
    await face.http.get(f"studies?link={secret}&PatientID=P-17")
    await face.http.get(f"http://gateway/links/{secret}/aets/{face.origin}/studies")
    records = await audited(bus, origin=face.origin)
    assert [one.query for one in records] == ["PatientID=P-17", ""]
    assert secret not in repr(records)


async def test_what_lacks_something_says_so(face: Face, bus: Bus) -> None:
    face.status = 206
    await face.http.get("studies/1.2")
    begins, ends = await audited(bus, origin=face.origin)
    assert {(one.outcome, one.reason) for one in (begins, ends)} == {("accepted", "HTTP 206")}


async def test_a_client_that_leaves_has_seen_something_perhaps(face: Face, bus: Bus) -> None:
    async with face.http.stream("GET", "studies/1.2") as response:
        assert response.status_code == 200
    begins, *_ = await audited(bus, origin=face.origin)
    assert begins.event == "begin-transferring"


async def test_many_at_a_time_of_one_study_are_one_record(face: Face, bus: Bus) -> None:
    answers = await asyncio.gather(*(face.http.get("studies/1.2/rendered") for _ in range(20)))
    assert {one.status_code for one in answers} == {200}
    assert len(await audited(bus, origin=face.origin)) == 1


async def test_bytes_out_of_an_instance_are_parts_too(face: Face, bus: Bus) -> None:
    for start in range(3):
        path, headers = "studies/1.2/series/1.3/instances/0", {"Range": f"bytes={start}-"}
        await face.http.get(path, headers=headers)
    (record,) = await audited(bus, origin=face.origin)
    assert record.event == "instances-accessed"


async def test_who_is_refused_again_and_again_does_not_fill_the_disk(
    face: Face, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.access.audit_trail.REFUSALS", 5)
    for _ in range(23):
        assert (await face.http.delete("studies/1.2")).status_code == 403
    records = await audited(bus, origin=face.origin)
    several = "HTTP 403, and 4 before it"
    assert [one.reason for one in records] == ["HTTP 403"] * 5 + [several] * 3
    assert (await face.http.delete("studies/1.2", headers={"x-user": ""})).status_code == 401
    assert (await audited(bus, origin=face.origin))[-1].address == "10.1.0.9"


async def test_the_addresses_of_one_machine_fill_it_no_sooner(
    face: Face, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.access.audit_trail.REFUSALS", 5)
    for number in range(12):
        headers = {"x-user": "", "x-address": f"2001:db8:1:2::{number}"}
        assert (await face.http.delete("studies/1.2", headers=headers)).status_code == 401
    assert len(await audited(bus, origin=face.origin)) == 5 + 1
