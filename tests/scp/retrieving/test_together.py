"""Several things at one time: clients that want the same, and one that does all over one association."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom.dsutils import encode

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.retrieving import retrieve
from tests.common.webclient.web_origin import MULTIPART, Request, Site, multipart, says
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Peer
from tests.scp.bridge import CLOUD, bridge
from tests.scp.find.conftest import asking
from tests.scp.modality import CT
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import STUDY_ROOT, Answer, associate, move, wish
from tests.scp.wire import (
    EXPLICIT,
    LAST_OF_COMMAND,
    LAST_OF_DATA,
    RELEASE,
    RELEASED,
    answer,
    associated,
    p_data,
    read,
    storing,
)
from tests.web_scu.dicomweb.holding import Holding
from tests.web_scu.dicomweb.taking import Takes

COUNT = 4
FIND, MOVE = f"{STUDY_ROOT}.1", f"{STUDY_ROOT}.2"


@pytest.fixture
def other() -> Iterator[Receiver]:
    """A second destination."""
    with Receiver("OTHER") as other:
        yield other


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return make_series(tmp_path, COUNT, seed=3701)


def path_of(files: list[Path]) -> str:
    one = identity(files[0])
    return f"studies/{one.study_instance_uid}/series/{one.series_instance_uid}"


async def test_one_study_to_two_destinations_is_asked_for_once(
    bus: Bus, blobs: BlobStore, origin_name: str, receiver: Receiver, other: Receiver, files: list[Path]
) -> None:
    wanted = wish("STUDY", StudyInstanceUID=identity(files[0]).study_instance_uid)
    async with (
        Holding.of(files) as holding,
        bridge(bus, blobs, origin_name, holding.url, destinations=[receiver.peer, other.peer]) as server,
    ):
        called = Peer(CLOUD, "127.0.0.1", server.port)
        answers = await asyncio.gather(
            *(asyncio.to_thread(move, called, name, wanted) for name in ("RECEIVER", "OTHER"))
        )
        assert holding.retrieved == [path_of(files)]
    assert [(one.status, one.counts) for one in answers] == [(0x0000, (COUNT, 0, 0))] * 2
    sent = sorted(raw_dataset(file) for file in files)
    for destination in (receiver, other):
        assert sorted(one.data for one in destination.came) == sent


async def test_who_leaves_takes_nothing_from_who_wants_the_same(
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    receiver: Receiver,
    other: Receiver,
    files: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve, "INTEREST_SECONDS", 0.1)
    wanted = wish("STUDY", StudyInstanceUID=identity(files[0]).study_instance_uid)
    body = multipart(*(file.read_bytes() for file in files))
    go_on = asyncio.Event()

    async def pauses(_: Request, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {MULTIPART}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body[: len(body) // 2])
        await writer.drain()
        await go_on.wait()
        writer.write(body[len(body) // 2 :])

    async with (
        Holding.of(files) as holding,
        bridge(bus, blobs, origin_name, holding.url, destinations=[receiver.peer, other.peer]) as server,
    ):
        holding.does(path_of(files), pauses)
        called = Peer(CLOUD, "127.0.0.1", server.port)
        leaving = await asyncio.to_thread(associate, called, MOVE)
        responses = leaving.send_c_move(wanted, "RECEIVER", MOVE)
        told = Answer()
        staying = asyncio.create_task(asyncio.to_thread(move, called, "OTHER", wanted))
        await asyncio.to_thread(other.reached.wait, 20)
        while not told.pending or not told.pending[-1].completed:
            told.take(*await asyncio.to_thread(next, responses))
        holding.site.ended.clear()
        await asyncio.to_thread(leaving.abort)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(holding.site.ended.wait(), 0.5)
        go_on.set()
        stayed = await staying
        assert holding.retrieved == [path_of(files)]
    assert (stayed.status, stayed.counts) == (0x0000, (COUNT, 0, 0))
    assert len(receiver.came) < COUNT


async def test_a_client_that_waits_for_nothing_has_all_its_answers_in_their_order(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    study = identity(files[0]).study_instance_uid
    wanted = encode(wish("STUDY", StudyInstanceUID=study), False, True) or b""

    async def takes_and_finds(request: Request, writer: asyncio.StreamWriter) -> None:
        match = {"0020000D": {"vr": "UI", "Value": [study]}}
        does = Takes() if request.method == "POST" else says("200 OK", json.dumps([match]))
        await does(request, writer)

    def run(port: int) -> list[tuple[int, int, int]]:
        with associated(port, CLOUD, [(1, FIND, EXPLICIT), (3, CT, EXPLICIT)]) as connection:
            for number, file in enumerate(files):
                store = storing(2 * number + 1, identity(file).sop_instance_uid)
                connection.sendall(p_data((3, LAST_OF_COMMAND, store), (3, LAST_OF_DATA, raw_dataset(file))))
                search = asking(2 * number + 2)
                connection.sendall(p_data((1, LAST_OF_COMMAND, search), (1, LAST_OF_DATA, wanted)))
            given: list[tuple[int, int, int]] = []
            while len(given) < 3 * len(files):
                response = answer(connection)
                if response.CommandDataSetType != 0x0101:
                    read(connection)
                given.append((response.MessageIDBeingRespondedTo, response.CommandField, response.Status))
            connection.sendall(RELEASE)
            assert read(connection) == RELEASED
        return given

    async with Site().listening() as site:
        site.does(takes_and_finds)
        async with bridge(bus, blobs, origin_name, site.url) as server:
            given = await asyncio.to_thread(run, server.port)
    expected = []
    for number in range(len(files)):
        expected.append((2 * number + 1, 0x8001, 0x0000))
        expected += [(2 * number + 2, 0x8020, status) for status in (0xFF00, 0x0000)]
    assert given == expected
