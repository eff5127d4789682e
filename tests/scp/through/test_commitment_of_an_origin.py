"""Storage Commitment of a called origin: what it holds is what it is found to hold when it is asked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.js.errors import NotFoundError
from pydicom import dcmread

from isthmus.common.bus import Bus, MatchWriter, serve_queries, streams
from isthmus.common.config import DimseOrigin
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import HttpOperationFailed, IsthmusError, OperationFailed, OriginUnreachable
from isthmus.common.messages import Query
from isthmus.common.service import Parts
from isthmus.dimse_scu.worker import worker
from isthmus.scp.commitment import committer, report
from isthmus.scp.commitment.at_origin import ONE_QUERY
from isthmus.scp.worker import Server, serving
from tests.peers import Orthanc
from tests.scp.commitment.asking import transaction
from tests.scp.conftest import PACS
from tests.scp.modality import CT, MR, Modality, Result, action_information, ask, committed, failed
from tests.waiting import PATIENCE, until

INSTANCE, CLASS = tag_of("SOPInstanceUID"), tag_of("SOPClassUID")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "LOOKS", (0.0, 0.05))
    monkeypatch.setattr(committer, "FIRST_DELAY", 0.2)
    monkeypatch.setattr(report, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(report, "LOOK_SECONDS", 0.01)


class Archive:
    """What answers the queries that an origin gets; it holds CTs."""

    def __init__(self, *holds: str) -> None:
        self.holds = set(holds)
        self.asked: list[Query] = []
        self.fails_with: list[IsthmusError] = []
        self.tells_class = True

    async def search(self, query: Query, writer: MatchWriter) -> None:
        self.asked.append(query)
        if self.fails_with:
            raise self.fails_with.pop(0)
        (key,) = query.keys
        for uid in sorted(self.holds & set(key.values)):
            match: DicomJson = {INSTANCE: {"vr": "UI", "Value": [uid]}}
            if self.tells_class:
                match[CLASS] = {"vr": "UI", "Value": [CT]}
            await writer.add(match)


@pytest.fixture
async def archive(parts: Parts, origin_name: str) -> AsyncIterator[Archive]:
    archive = Archive("1.2.3.4", "1.2.3.5")
    service = await serve_queries(parts.bus, origin_name, archive.search)
    yield archive
    await service.finish()


async def result_of(server: Server, *references: tuple[str, str], called: str = PACS) -> Result:
    modality = Modality()

    def run() -> Result:
        with modality.associated(server.port, called) as association:
            assert ask(association, action_information(transaction(), *references)).Status == 0
            return modality.here.get(timeout=PATIENCE)

    return await asyncio.to_thread(run)


async def test_what_the_origin_holds_is_committed_to(server: Server, archive: Archive) -> None:
    result = await result_of(server, (CT, "1.2.3.4"), (CT, "1.2.3.5"))
    assert (result[0], committed(result), failed(result)) == (1, {"1.2.3.4", "1.2.3.5"}, {})
    (query,) = archive.asked
    assert query.level is Level.IMAGE


async def test_what_it_does_not_hold_or_holds_as_another_class_has_failed(
    server: Server, archive: Archive
) -> None:
    result = await result_of(server, (CT, "1.2.3.4"), (MR, "1.2.3.5"), (CT, "1.2.3.6"))
    assert result[0] == 2
    assert committed(result) == {"1.2.3.4"}
    assert failed(result) == {"1.2.3.5": 0x0119, "1.2.3.6": 0x0112}
    assert [len(query.keys[0].values) for query in archive.asked] == [3, 1]


async def test_an_origin_that_does_not_tell_the_class_is_believed(server: Server, archive: Archive) -> None:
    archive.tells_class = False
    result = await result_of(server, (CT, "1.2.3.4"))
    assert (result[0], committed(result)) == (1, {"1.2.3.4"})


async def test_many_are_asked_for_in_bounded_batches(server: Server, archive: Archive) -> None:
    uids = [f"1.2.3.{number}" for number in range(ONE_QUERY * 2 + 1)]
    archive.holds.update(uids)
    result = await result_of(server, *((CT, uid) for uid in uids))
    assert committed(result) == set(uids)
    assert sorted(len(query.keys[0].values) for query in archive.asked) == [1, ONE_QUERY, ONE_QUERY]


@pytest.mark.parametrize(
    "error",
    [
        OriginUnreachable("away", origin="pacs"),
        OperationFailed("busy", origin="pacs", status=0xA700, operation="C-FIND"),
        HttpOperationFailed("busy", origin="pacs", http_status=429),
        HttpOperationFailed("down", origin="pacs", http_status=502),
        HttpOperationFailed("the token has expired", origin="pacs", http_status=401),
    ],
)
async def test_while_the_origin_is_away_nothing_is_said_of_what_it_holds(
    server: Server, archive: Archive, error: IsthmusError
) -> None:
    archive.fails_with.append(error)
    result = await result_of(server, (CT, "1.2.3.4"))
    assert (result[0], committed(result)) == (1, {"1.2.3.4"})
    assert len(archive.asked) == 2


@pytest.mark.parametrize(
    "error",
    [
        OperationFailed("not relational", origin="pacs", status=0xA900, operation="C-FIND"),
        HttpOperationFailed("not so", origin="pacs", http_status=400),
    ],
)
async def test_an_origin_that_does_not_answer_such_questions_commits_to_nothing(
    server: Server, archive: Archive, error: IsthmusError
) -> None:
    archive.fails_with += [error, error]
    result = await result_of(server, (CT, "1.2.3.4"))
    assert (result[0], failed(result)) == (2, {"1.2.3.4": 0x0110})


async def tried(bus: Bus, consumer: str) -> None:
    """Wait until a request was given back."""
    await until(lambda: was_given_back(bus, consumer))


async def was_given_back(bus: Bus, consumer: str) -> bool:
    try:
        return bool((await bus.jetstream.consumer_info(streams.COMMITMENTS, consumer)).num_redelivered)
    except NotFoundError:  # nobody has taken anything yet
        return False


async def test_without_a_worker_the_request_waits(server: Server, parts: Parts, origin_name: str) -> None:
    asking = asyncio.create_task(result_of(server, (CT, "1.2.3.4")))
    await tried(parts.bus, f"commit-{origin_name}")
    archive = Archive("1.2.3.4")
    service = await serve_queries(parts.bus, origin_name, archive.search)
    try:
        assert committed(await asking) == {"1.2.3.4"}
    finally:
        await service.finish()


async def test_orthanc_tells_what_it_holds(
    parts: Parts, orthanc: Orthanc, origin_name: str, corpus: list[Path]
) -> None:
    origin = DimseOrigin(name=origin_name, ae_title=orthanc.ae_title, port=orthanc.dicom_port)
    settings = parts.settings.model_copy(update={"origins": (origin,)})
    parts = Parts(settings, parts.bus, parts.blobs)
    there = dcmread(corpus[0], specific_tags=["SOPClassUID", "SOPInstanceUID"])
    async with worker(parts), serving(parts) as server:
        result = await result_of(
            server,
            (str(there.SOPClassUID), str(there.SOPInstanceUID)),
            (CT, "1.2.3.4.5.6.7"),
            called=orthanc.ae_title,
        )
    assert committed(result) == {str(there.SOPInstanceUID)}
    assert failed(result) == {"1.2.3.4.5.6.7": 0x0112}
