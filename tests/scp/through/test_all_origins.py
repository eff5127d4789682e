"""All origins as one, by the called AE title `dicomweb.ae_title`."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from isthmus.common.blobs import PART, BlobStore
from isthmus.common.bus import Bus, serve_queries
from isthmus.common.config import Settings
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.errors import OriginTimeout, OriginUnreachable
from isthmus.common.service import Parts
from isthmus.scp.commitment import report
from isthmus.scp.everything import AllOrigins
from isthmus.scp.finding import everywhere
from isthmus.scp.storing.budget import Budget
from isthmus.scp.storing.store_through import OWN_SECONDS, PART_SECONDS, StoreThrough
from isthmus.scp.worker import Server, serving
from tests.qido.pacs import attributes
from tests.scp.commitment.asking import transaction
from tests.scp.conftest import ANY_PORT, CT, Sending, send
from tests.scp.find.conftest import Played, ask, request
from tests.scp.modality import Modality, Result, action_information, committed, failed
from tests.scp.modality import ask as ask_for
from tests.stow.worker import Employ, Job
from tests.waiting import PATIENCE

ALL = "EVERYWHERE"
Dataset = Callable[..., bytes]


def settings(name: str, **dicomweb: object) -> Settings:
    origins = [
        {"name": one, "ae_title": title, "port": 104, "search_seconds": 5}
        for one, title in ((name, "FIRST"), (f"{name}-b", "SECOND"))
    ]
    return Settings.model_validate(
        {"scp": {"listen": ANY_PORT}, "origins": origins, "dicomweb": {"ae_title": ALL, **dicomweb}}
    )


@pytest.fixture
def parts(bus: Bus, blobs: BlobStore, origin_name: str) -> Parts:
    return Parts(settings(origin_name, store=origin_name), bus, blobs)


@pytest.fixture
async def server(parts: Parts) -> AsyncIterator[Server]:
    async with serving(parts) as running:
        yield running


@pytest.fixture
async def both(bus: Bus, origin_name: str) -> AsyncIterator[tuple[Played, Played]]:
    """Two archives."""
    archives = Played(), Played()
    for archive, name in zip(archives, (origin_name, f"{origin_name}-b"), strict=True):
        archive.service = await serve_queries(bus, name, archive.search)
    yield archives
    for archive in archives:
        await archive.stop()


def study(uid: str, instances: int = 1) -> DicomJson:
    return attributes(StudyInstanceUID=uid, NumberOfStudyRelatedInstances=instances)


WISHED = request("STUDY", StudyInstanceUID="", NumberOfStudyRelatedInstances="")


async def test_what_several_have_is_found_once(server: Server, both: tuple[Played, Played]) -> None:
    first, second = both
    first.answer = lambda _: [study("1.1", 3), study("1.2")]
    second.answer = lambda _: [study("1.3"), study("1.1", 5)]
    answer = await ask(server, WISHED, called=ALL)
    assert answer.status == 0
    assert [
        (one.StudyInstanceUID, one.NumberOfStudyRelatedInstances, one.RetrieveAETitle)
        for one in answer.matches
    ] == [("1.1", 5, ALL), ("1.2", 1, ALL), ("1.3", 1, ALL)]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OriginUnreachable("No connection", origin="b"), 0xC000),
        (OriginTimeout("It is silent", origin="b"), 0xA700),
    ],
)
async def test_where_one_does_not_answer_the_matches_of_the_others_are_not_all(
    server: Server, both: tuple[Played, Played], error: Exception, status: int
) -> None:
    first, second = both
    first.answer = lambda _: [study("1.1")]
    second.failure = error
    answer = await ask(server, WISHED, called=ALL)
    assert [one.StudyInstanceUID for one in answer.matches] == ["1.1"]
    assert (answer.status, answer.comment) == (status, str(error))


async def test_more_than_can_be_merged_is_a_failure(
    server: Server, both: tuple[Played, Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywhere, "MOST_MATCHES", 1)
    first, second = both
    first.answer = lambda _: [study("1.1")]
    second.answer = lambda _: [study("1.2"), study("1.3")]
    answer = await ask(server, WISHED, called=ALL)
    assert (answer.status, len(answer.matches)) == (0xA700, 0)


async def test_what_is_stored_there_goes_to_the_origin_that_takes_it(
    server: Server, employ: Employ, dataset: Dataset
) -> None:
    taken: list[Job] = []

    async def take(job: Job) -> None:
        taken.append(job)
        await job.answer_all(0x0000)

    employ(take)
    (result,) = await send(server, Sending(dataset()), calling="CT1", called=ALL)
    assert result.status == 0x0000
    assert len(taken) == 1


async def test_without_one_that_takes_it_nothing_can_be_stored_there(
    bus: Bus, blobs: BlobStore, origin_name: str, dataset: Dataset
) -> None:
    async with serving(Parts(settings(origin_name), bus, blobs)) as server:
        (result,) = await send(server, Sending(dataset()), calling="CT1", called=ALL)
    assert (result.status, result.error_comment) == (0x0112, "Of several origins none is set to take this")


async def test_an_answer_may_take_as_long_as_the_origin_that_takes_it_may_be_silent(parts: Parts) -> None:
    slow = parts.settings.origins[1].model_copy(update={"timeout_seconds": 100.0})
    through = StoreThrough(parts.bus, parts.blobs, Budget(1), slow)
    for called in (slow, AllOrigins(ae_title=ALL)):
        assert through.seconds_for(called, 1) == 100 + OWN_SECONDS
        assert through.seconds_for(called, 3 * PART) == 100 + OWN_SECONDS + 3 * PART_SECONDS


async def test_who_takes_what_is_stored_commits_to_it(
    server: Server, both: tuple[Played, Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr("isthmus.scp.commitment.committer.LOOKS", (0.0,))
    first, second = both
    first.answer = lambda _: [attributes(SOPInstanceUID="1.2.3.4", SOPClassUID=CT)]
    modality = Modality()

    def run() -> Result:
        with modality.associated(server.port, ALL) as association:
            data = action_information(transaction(), (CT, "1.2.3.4"), (CT, "1.2.3.5"))
            assert ask_for(association, data).Status == 0
            return modality.here.get(timeout=PATIENCE)

    result = await asyncio.to_thread(run)
    assert (committed(result), failed(result)) == ({"1.2.3.4"}, {"1.2.3.5": 0x0112})
    assert not second.queries
