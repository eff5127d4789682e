"""Clients that leave in the middle, and many at the same time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Final

import httpx2
import pytest

from tests.data_sets import identity, make_series, raw_dataset
from tests.pacs import Event, FaultyPacs, Kind, Operation, Slow
from tests.peers import Orthanc
from tests.system.multipart import INSTANCES, retrieve

AT_ONCE: Final = 20
STOPS_WITHIN: Final = 10.0
ASSOCIATIONS: Final = 4
"""The default of an origin."""


def held(images: list[Path]) -> dict[str, bytes]:
    return {identity(image).sop_instance_uid: raw_dataset(image) for image in images}


def study_of(images: list[Path]) -> str:
    return identity(images[0]).study_instance_uid


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The study of 20 images that the PACS holds."""
    return study_of(make_series(tmp_path_factory.mktemp("large"), 1))


def wait_until_stopped(pacs: FaultyPacs) -> Event:
    """Wait for the end of the transfer, by C-CANCEL or by the end of its association; others may go on."""
    get = pacs.wait_for(lambda event: event.kind is Kind.BEGUN and event.operation is Operation.GET)

    def stops(event: Event) -> bool:
        return event.association == get.association and event.kind in (Kind.CANCELLED, Kind.CLOSED)

    return pacs.wait_for(stops, timeout_seconds=STOPS_WITHIN)


def sees_the_end(pacs: FaultyPacs, left: float) -> None:
    """Check that the transfer ends in time after the client left, with what was on its way then."""
    stopped = wait_until_stopped(pacs)
    assert monotonic() - left < STOPS_WITHIN
    pacs.wait_for(lambda event: event.kind is Kind.ENDED and event.operation is Operation.GET)
    events = pacs.events()
    assert [event.kind for event in events[events.index(stopped) :]].count(Kind.SENT) <= 1
    assert len(pacs.sent()) < 20


@pytest.mark.parametrize("path", ["", "/metadata"])
def test_a_client_that_leaves_in_the_middle_of_a_body_stops_the_origin(
    faulty_pacs: FaultyPacs, faulty_http: httpx2.Client, faulty_origin: str, large: str, path: str
) -> None:
    faulty_pacs.behave(Slow(seconds=0.5))
    url = f"/aets/{faulty_origin}/studies/{large}{path}"
    with faulty_http.stream("GET", url, headers={"Accept": f"{INSTANCES}, */*"}) as response:
        assert response.status_code == 200
        assert next(response.iter_raw())
    sees_the_end(faulty_pacs, monotonic())


def test_a_client_that_leaves_before_anything_came_stops_the_origin(
    faulty_pacs: FaultyPacs, faulty_http: httpx2.Client, faulty_origin: str, large: str
) -> None:
    faulty_pacs.behave(Slow(seconds=4))
    with pytest.raises(httpx2.ReadTimeout):
        faulty_http.get(f"/aets/{faulty_origin}/studies/{large}", headers={"Accept": INSTANCES}, timeout=2)
    sees_the_end(faulty_pacs, monotonic())


def test_one_of_two_clients_that_leaves_stops_nothing(
    faulty_pacs: FaultyPacs, faulty_http: httpx2.Client, faulty_origin: str, large: str
) -> None:
    faulty_pacs.behave(Slow(seconds=0.2))
    with faulty_http.stream(
        "GET", f"/aets/{faulty_origin}/studies/{large}", headers={"Accept": INSTANCES}
    ) as one:
        chunks = one.iter_raw()
        assert next(chunks)
        with faulty_http.stream(
            "GET", f"/aets/{faulty_origin}/studies/{large}", headers={"Accept": INSTANCES}
        ) as another:
            assert next(another.iter_raw())
        for _ in chunks:
            pass
    assert faulty_pacs.cancels() == 0
    assert len(faulty_pacs.operations(Operation.GET)) == 1
    assert len(faulty_pacs.sent()) == 20


def test_who_comes_when_the_origin_was_just_stopped_gets_everything(
    faulty_pacs: FaultyPacs, faulty_http: httpx2.Client, faulty_origin: str, tmp_path: Path
) -> None:
    images = make_series(tmp_path, 20)
    faulty_pacs.behave(Slow(seconds=0.5, times=1))
    url = f"/aets/{faulty_origin}/studies/{study_of(images)}"
    with faulty_http.stream("GET", url, headers={"Accept": INSTANCES}) as response:
        assert next(response.iter_raw())
    wait_until_stopped(faulty_pacs)
    assert retrieve(faulty_http, faulty_origin, study_of(images)) == (held(images), True)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Twenty studies, of sizes that differ."""
    directory = tmp_path_factory.mktemp("studies")
    return [make_series(directory, 3 + seed % 5, rows=64, columns=64, seed=seed) for seed in range(AT_ONCE)]


Together = Callable[[list[str]], list[tuple[dict[str, bytes], bool]]]


@pytest.fixture
def together(http: httpx2.Client) -> Iterator[Together]:
    """Retrieves studies at the same time, each as a client of its own."""
    with ThreadPoolExecutor(AT_ONCE) as clients:

        def retrieve_all(wanted: list[str]) -> list[tuple[dict[str, bytes], bool]]:
            return list(clients.map(lambda study: retrieve(http, "empty", study), wanted))

        yield retrieve_all


def test_twenty_clients_get_twenty_studies(
    together: Together, empty_orthanc: Orthanc, studies: list[list[Path]]
) -> None:
    empty_orthanc.load(image for images in studies for image in images)
    bodies = together([study_of(images) for images in studies])
    assert bodies == [(held(images), True) for images in studies]


def test_twenty_clients_get_one_study(
    together: Together, empty_orthanc: Orthanc, studies: list[list[Path]]
) -> None:
    empty_orthanc.load(studies[-1])
    bodies = together([study_of(studies[-1])] * AT_ONCE)
    assert bodies == [(held(studies[-1]), True)] * AT_ONCE


def test_twenty_clients_search_and_describe_over_no_more_associations_than_the_origin_allows(
    faulty_pacs: FaultyPacs, faulty_http: httpx2.Client, large: str, faulty_origin: str
) -> None:
    urls = [f"/aets/{faulty_origin}/studies/{large}/{path}" for path in ("instances", "metadata")] * AT_ONCE
    with ThreadPoolExecutor(AT_ONCE) as clients:
        answers = list(clients.map(faulty_http.get, urls))
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    assert [len(answer.json()) for answer in answers] == [20] * len(urls)
    assert faulty_pacs.associations_at_once() <= ASSOCIATIONS
