"""What a PACS may do to us, as a client of DICOMweb sees it; after each of these the next request works."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import httpx2
import pytest

from tests.data_sets import identity, make_series, raw_dataset
from tests.pacs import (
    AbortsAfter,
    Behaviour,
    FailsRetrieve,
    FailsSuboperations,
    FaultyPacs,
    FindFails,
    Operation,
    RefusesAssociation,
    Silent,
    Slow,
    StoreStatus,
    SuccessWithNothingSent,
)
from tests.system.multipart import INSTANCES, datasets, datasets_of_broken, retrieve

TIMEOUT_SECONDS: Final = 3.0
"""Of these origins."""
SECONDS_MORE: Final = 6.0
"""What an answer takes beyond that, at most, on a machine that is busy."""


@dataclass(frozen=True)
class Origin:
    """An origin, the PACS behind it, and a client of the gateway before it."""

    name: str
    pacs: FaultyPacs
    http: httpx2.Client
    images: list[Path]
    """A study that the PACS holds."""

    @property
    def study(self) -> str:
        return identity(self.images[0]).study_instance_uid

    @property
    def url(self) -> str:
        return f"/aets/{self.name}/studies/{self.study}"

    @property
    def held(self) -> dict[str, bytes]:
        """The study's data sets by SOP Instance UID."""
        return {identity(image).sop_instance_uid: raw_dataset(image) for image in self.images}

    def search(self) -> httpx2.Response:
        return self.http.get(f"{self.url}/series")

    def retrieve(self) -> httpx2.Response:
        return self.http.get(self.url, headers={"Accept": INSTANCES})

    def describe(self) -> httpx2.Response:
        return self.http.get(f"{self.url}/metadata")

    def store(self) -> httpx2.Response:
        headers = {"Content-Type": "application/dicom"}
        return self.http.post(
            f"/aets/{self.name}/studies", content=self.images[0].read_bytes(), headers=headers
        )

    def broken_off(self, meanwhile: Callable[[], None] = lambda: None) -> dict[str, bytes]:
        """Retrieve the study whose body has no end, and give what is whole in it.

        Args:
            meanwhile: called when the body has begun.
        """
        received = bytearray()

        def read_all() -> None:
            for chunk in chunks:
                received.extend(chunk)

        with self.http.stream("GET", self.url, headers={"Accept": INSTANCES}) as response:
            assert response.status_code == 200
            chunks = response.iter_raw()
            received += next(chunks)
            meanwhile()
            with pytest.raises(httpx2.RemoteProtocolError):
                read_all()
            return datasets_of_broken(bytes(received), response.headers["content-type"])

    def is_a_problem(self, response: httpx2.Response, status: int) -> dict[str, object]:
        """Check that it is a problem of this status that says where and in which trace; give its members."""
        members: dict[str, object] = response.json()
        assert (response.status_code, members["status"]) == (status, status)
        assert response.headers["content-type"] == "application/problem+json"
        assert members["origin"] == self.name
        assert members["trace_id"] == response.headers["traceresponse"].split("-")[1]
        return members

    def works_again(self) -> None:
        """Check that every kind of request is answered, once the PACS behaves."""
        self.pacs.behave()
        assert retrieve(self.http, self.name, self.study) == (self.held, True)
        assert len(self.search().json()) == 1
        assert self.store().status_code == 200


Ask = Callable[[Origin], httpx2.Response]
READING: Final = [Origin.search, Origin.retrieve, Origin.describe]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("images"), 20)


@pytest.fixture
def unused(
    faulty_origin: str, faulty_pacs: FaultyPacs, faulty_http: httpx2.Client, images: list[Path]
) -> Origin:
    """An origin to which no association is open yet."""
    return Origin(faulty_origin, faulty_pacs, faulty_http, images)


@pytest.fixture
def origin(unused: Origin) -> Origin:
    """An origin to which an association is open, as it is most of the time; nothing of it is held."""
    assert unused.search().status_code == 200
    unused.pacs.forget()
    return unused


@pytest.mark.parametrize("ask", [*READING, Origin.store])
def test_an_origin_that_refuses_the_association_is_502(unused: Origin, ask: Ask) -> None:
    unused.pacs.behave(RefusesAssociation())
    members = unused.is_a_problem(ask(unused), 502)
    assert members["type"] == "urn:isthmus:problem:association-rejected"
    unused.works_again()


@pytest.mark.parametrize("ask", [Origin.search, Origin.retrieve, Origin.store])
def test_a_silent_origin_is_504_within_its_time_out(unused: Origin, ask: Ask) -> None:
    unused.pacs.behave(Silent())
    begun = monotonic()
    members = unused.is_a_problem(ask(unused), 504)
    assert members["type"] == "urn:isthmus:problem:origin-timeout"
    assert TIMEOUT_SECONDS <= monotonic() - begun < TIMEOUT_SECONDS + SECONDS_MORE
    unused.works_again()


@pytest.mark.parametrize("behaviour", [RefusesAssociation(), Silent()])
def test_the_health_of_an_origin_that_refuses_or_is_silent_is_503(
    unused: Origin, behaviour: Behaviour
) -> None:
    unused.pacs.behave(behaviour)
    health = unused.http.get(f"/aets/{unused.name}")
    assert (health.status_code, health.json()["ok"]) == (503, False)
    unused.pacs.behave()
    health = unused.http.get(f"/aets/{unused.name}")
    assert (health.status_code, health.json()["ok"]) == (200, True)


def test_an_origin_that_is_silent_before_the_first_instance_is_504(origin: Origin) -> None:
    origin.pacs.behave(Slow(seconds=60))
    begun = monotonic()
    origin.is_a_problem(origin.retrieve(), 504)
    assert monotonic() - begun < TIMEOUT_SECONDS + SECONDS_MORE
    origin.works_again()


@pytest.mark.parametrize("ask", READING)
@pytest.mark.parametrize("matches", [0, 1])
def test_an_origin_that_is_out_of_resources_is_503_with_retry_after(
    origin: Origin, ask: Ask, matches: int
) -> None:
    origin.pacs.behave(FindFails(status=0xA700, matches=matches))
    response = ask(origin)
    assert origin.is_a_problem(response, 503)["dimse_status"] == "A700"
    assert int(response.headers["retry-after"]) > 0
    origin.works_again()


@pytest.mark.parametrize("ask", READING)
@pytest.mark.parametrize("status", [0xC123, 0x0110])
def test_a_search_that_the_origin_fails_after_a_match_is_502_with_its_status(
    origin: Origin, ask: Ask, status: int
) -> None:
    origin.pacs.behave(FindFails(status=status, matches=1))
    members = origin.is_a_problem(ask(origin), 502)
    assert members["dimse_status"] == f"{status:04X}"
    assert members["dimse_meaning"]
    origin.works_again()


def test_each_status_of_a_search_has_its_own(origin: Origin) -> None:
    rows = {0xA700: 503, 0xA900: 400, 0xC000: 502, 0x0122: 501, 0x0124: 403, 0x0211: 501}
    for status, code in rows.items():
        origin.pacs.behave(FindFails(status=status))
        assert origin.is_a_problem(origin.search(), code)["dimse_status"] == f"{status:04X}"
    origin.works_again()


def test_each_status_of_a_retrieve_has_its_own(origin: Origin) -> None:
    unavailable, refused = dict.fromkeys((0xA701, 0xA702), 503), dict.fromkeys((0x0122, 0x0211), 501)
    failed = dict.fromkeys((0xA801, 0xA900, 0xC000, 0x0110), 502)
    rows = {**unavailable, **refused, **failed, 0x0124: 403}
    for image, (status, code) in zip(origin.images, rows.items(), strict=False):
        origin.pacs.behave(FailsRetrieve(status=status))
        uids = identity(image)
        path = f"series/{uids.series_instance_uid}/instances/{uids.sop_instance_uid}"
        response = origin.http.get(f"{origin.url}/{path}", headers={"Accept": INSTANCES})
        assert origin.is_a_problem(response, code)["dimse_status"] == f"{status:04X}"


@pytest.mark.parametrize("ask", [Origin.retrieve, Origin.describe])
@pytest.mark.parametrize("behaviour", [SuccessWithNothingSent(), AbortsAfter(instances=0)])
def test_an_origin_that_sends_nothing_of_what_it_lists_is_502(
    origin: Origin, ask: Ask, behaviour: Behaviour
) -> None:
    origin.pacs.behave(behaviour)
    origin.is_a_problem(ask(origin), 502)
    origin.works_again()


@pytest.mark.parametrize("behaviour", [SuccessWithNothingSent(times=1), AbortsAfter(instances=5, times=1)])
def test_what_an_origin_did_not_send_it_is_asked_for_again(origin: Origin, behaviour: Behaviour) -> None:
    origin.pacs.behave(behaviour)
    assert retrieve(origin.http, origin.name, origin.study) == (origin.held, True)


def test_the_body_is_broken_off_when_the_origin_aborts_again_and_again(origin: Origin) -> None:
    origin.pacs.behave(AbortsAfter(instances=5, times=1), Slow(seconds=0.2, times=1))
    received = origin.broken_off(lambda: origin.pacs.behave(AbortsAfter(instances=0)))
    assert 0 < len(received) <= 5
    assert received.items() <= origin.held.items()
    origin.works_again()


def test_the_body_is_broken_off_when_the_origin_falls_silent(origin: Origin) -> None:
    origin.pacs.behave(AbortsAfter(instances=5, times=1), Slow(seconds=0.2, times=1))
    begun = monotonic()
    received = origin.broken_off(lambda: origin.pacs.behave(Silent()))
    assert monotonic() - begun < 1 + TIMEOUT_SECONDS + SECONDS_MORE
    assert 0 < len(received) <= 5
    origin.works_again()


def test_what_the_origin_cannot_send_breaks_the_body_off_behind_all_that_it_can(origin: Origin) -> None:
    lost = sorted(origin.held)[7]
    origin.pacs.behave(FailsSuboperations(statuses={lost: 0xA900}))
    received = origin.broken_off()
    assert received == {uid: dataset for uid, dataset in origin.held.items() if uid != lost}


def test_what_the_origin_could_not_send_is_told_by_the_next_answer_at_once(origin: Origin) -> None:
    lost = sorted(origin.held)[7]
    origin.pacs.behave(FailsSuboperations(statuses={lost: 0xA900}))
    origin.broken_off()
    origin.pacs.forget()
    response = origin.retrieve()
    assert response.status_code == 206
    assert f"/aets/{origin.name}: 1 instance is missing" in response.headers["warning"]
    assert "DIMSE status" in response.headers["warning"]
    rest = {uid: dataset for uid, dataset in origin.held.items() if uid != lost}
    assert datasets(response.content, response.headers["content-type"]) == rest
    assert origin.pacs.operations(Operation.GET) == []


def test_metadata_is_broken_off_where_an_instance_is_missing_and_then_tells_of_it(origin: Origin) -> None:
    origin.pacs.behave(FailsSuboperations(statuses={min(origin.held): 0xA900}))
    with pytest.raises(httpx2.RemoteProtocolError):
        origin.describe()
    response = origin.describe()
    assert response.status_code == 206
    assert "1 instance is missing" in response.headers["warning"]
    assert len(response.json()) == len(origin.held) - 1


@pytest.mark.parametrize(("status", "code"), [(0xA700, 503), (0xA900, 409), (0xC123, 409)])
def test_a_store_that_the_origin_fails_has_its_status_as_the_reason(
    origin: Origin, status: int, code: int
) -> None:
    origin.pacs.behave(StoreStatus(status=status))
    response = origin.store()
    assert response.status_code == code
    assert ("retry-after" in response.headers) == (code == 503)
    (failed,) = response.json()["00081198"]["Value"]
    assert failed["00081197"]["Value"] == [status]
    origin.works_again()
