"""All studies of the inboxes in memory: all of them, as they are now, whatever becomes of NATS."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.bus import Bus, end_tasks, streams
from isthmus.common.bus.streams import declare
from isthmus.common.bus.subjects import token
from isthmus.common.config.settings import Nats
from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.errors import BusUnavailable, ContractError
from isthmus.common.inbox.index import STREAM, Index
from isthmus.common.inbox.state import Removal, SeriesSummary, States, StudyState


@pytest.fixture
async def index(bus: Bus) -> AsyncIterator[Index]:
    index = Index(bus)
    async with index.following():
        yield index


def study(origin: str, uid: str, date: str = "", time: str = "") -> StudyState:
    attributes: DicomJson = {}
    if date:
        attributes["00080020"] = {"vr": "DA", "Value": [date]}
    if time:
        attributes["00080030"] = {"vr": "TM", "Value": [time]}
    ct: DicomJson = {"00080060": {"vr": "CS", "Value": ["CT"]}}
    return StudyState(
        origin,
        uid,
        contents="contents/1",
        instances=2,
        attributes=attributes,
        series=(SeriesSummary("1", ct, 2, 5),),
    )


async def put(bus: Bus, state: StudyState) -> None:
    states = States(bus)
    found = await states.get(state.origin, state.study)
    assert await states.put(state, found.revision) is not None


async def uids(index: Index, origin: str) -> list[str]:
    return [one.study for one in await index.studies(origin)]


async def test_what_was_written_before_the_question_is_in_the_answer(
    bus: Bus, index: Index, origin_name: str
) -> None:
    for number in range(20):
        await put(bus, study(origin_name, f"1.{number}"))
        assert len(await uids(index, origin_name)) == number + 1


async def test_what_was_there_before_it_began_is_there_too(bus: Bus, origin_name: str) -> None:
    await put(bus, study(origin_name, "1.1"))
    index = Index(bus)
    async with index.following():
        (found,) = await index.studies(origin_name)
    assert found.state() == study(origin_name, "1.1")
    assert found.match["00080061"] == {"vr": "CS", "Value": ["CT"]}
    assert found.match["00201208"] == {"vr": "IS", "Value": [2]}


async def test_the_newest_studies_come_first_and_those_without_a_date_last(
    bus: Bus, index: Index, origin_name: str
) -> None:
    for state in (
        study(origin_name, "1.1"),
        study(origin_name, "1.3", "20240102", "0800"),
        study(origin_name, "1.2", "20240102", "0800"),
        study(origin_name, "1.4", "20240102", "0900"),
        study(origin_name, "1.5", "20240103"),
    ):
        await put(bus, state)
    assert await uids(index, origin_name) == ["1.5", "1.4", "1.2", "1.3", "1.1"]
    await put(bus, study(origin_name, "1.1", "20240104"))
    assert await uids(index, origin_name) == ["1.1", "1.5", "1.4", "1.2", "1.3"]


async def test_a_study_without_instances_is_none(bus: Bus, index: Index, origin_name: str) -> None:
    await put(bus, study(origin_name, "1.1"))
    await put(bus, StudyState(origin_name, "1.1", life=1, removals=(Removal(1, 2),)))
    assert await uids(index, origin_name) == []
    assert [one.study for one in await index.with_removals() if one.origin == origin_name] == ["1.1"]
    await put(bus, StudyState(origin_name, "1.1", life=1))
    assert not [one for one in await index.with_removals() if one.origin == origin_name]


async def test_records_that_are_taken_away_are_not_waited_for(
    bus: Bus, index: Index, origin_name: str
) -> None:
    await put(bus, study(origin_name, "1.1"))
    await put(bus, StudyState(origin_name, "1.2", life=1))
    subject = f"$KV.{streams.INBOXES_BUCKET}.{token(origin_name)}.{token('1.2')}"
    await bus.jetstream.purge_stream(STREAM, subject=subject)
    assert await uids(index, origin_name) == ["1.1"]
    fresh = Index(bus)
    async with fresh.following():
        assert await uids(fresh, origin_name) == ["1.1"]
        await put(bus, study(origin_name, "1.3"))
        assert await uids(fresh, origin_name) == ["1.1", "1.3"]


async def test_a_record_that_is_deleted_by_its_key_is_gone(bus: Bus, index: Index, origin_name: str) -> None:
    await put(bus, study(origin_name, "1.1"))
    subject = f"$KV.{streams.INBOXES_BUCKET}.{token(origin_name)}.{token('1.1')}"
    await bus.jetstream.publish(subject, b"", headers={"KV-Operation": "DEL"})
    assert await uids(index, origin_name) == []


async def test_a_list_of_studies_is_never_short_of_one_that_cannot_be_read(
    bus: Bus, index: Index, origin_name: str
) -> None:
    await put(bus, study(origin_name, "1.1"))
    subject = f"$KV.{streams.INBOXES_BUCKET}.{token(origin_name)}.{token('1.2')}"
    await bus.jetstream.publish(subject, b"of another version")
    try:
        with pytest.raises(ContractError, match="1 studies of"):
            await uids(index, origin_name)
        with pytest.raises(ContractError):
            await index.studies(origin_name, ["1.2"])
        # What it cannot be, is searched as ever.
        assert [one.study for one in await index.studies(origin_name, ["1.1"])] == ["1.1"]
        assert await uids(index, f"other-{origin_name}") == []
        assert not await index.with_removals()
    finally:
        await bus.jetstream.publish(subject, b"", headers={"KV-Operation": "PURGE"})
    assert await uids(index, origin_name) == ["1.1"]


@pytest.mark.parametrize("lost", [False, True])
async def test_after_a_restart_of_nats_it_knows_what_is_there_then(
    tmp_path: Path, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.inbox.index.BEHIND_SECONDS", 0.5)
    server = EmbeddedNats(tmp_path)
    await server.__aenter__()
    settings = Nats(url=server.url, user=server.user, password=server.password)
    bus = await Bus.connect(settings, "test")
    try:
        index = Index(bus)
        async with index.following():
            for uid in ("1.1", "1.2"):
                await put(bus, study("inbox", uid))
            assert await uids(index, "inbox") == ["1.1", "1.2"]
            os.kill(server.pid, signal.SIGKILL)
            await server.__aexit__(None, None, None)
            with pytest.raises(BusUnavailable):
                await index.studies("inbox")
            if lost:
                shutil.rmtree(tmp_path / "store")
            await server.__aenter__()
            await bus.client.flush(20)
            await declare(bus.jetstream)
            assert await eventually(index) == ([] if lost else ["1.1", "1.2"])
            for uid in ("1.3", "1.4", "1.5"):
                await put(bus, study("inbox", uid))
            assert await eventually(index) == [*([] if lost else ["1.1", "1.2"]), "1.3", "1.4", "1.5"]
    finally:
        await bus.close()
        await server.__aexit__(None, None, None)


async def eventually(index: Index) -> list[str]:
    """Ask until it dares to answer."""
    while True:
        with suppress(BusUnavailable):
            return await uids(index, "inbox")


async def test_what_does_not_come_is_waited_for_no_longer_than_a_while(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the end of the while comes in the same moment as an answer of NATS."""
    monkeypatch.setattr("isthmus.common.inbox.index.BEHIND_SECONDS", 0.05)
    index = Index(bus)

    async def dropping() -> int:
        try:
            await asyncio.Event().wait()
        except (
            asyncio.CancelledError
        ):  # as `asyncio.wait_for` of Python 3.11 drops it, on which nats-py stands
            return 10**9
        raise AssertionError

    monkeypatch.setattr(index, "_last", dropping)
    asking = asyncio.create_task(index.studies("inbox"))
    await asyncio.wait([asking], timeout=5)
    is_over = asking.done()
    await end_tasks([asking])
    assert is_over
    assert isinstance(asking.exception(), BusUnavailable)
