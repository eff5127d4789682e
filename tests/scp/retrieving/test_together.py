"""Several things at one time: clients that want the same, and one that does all over one association."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.retrieving import retrieve
from tests.common.webclient.web_origin import MULTIPART, Request, multipart
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Peer
from tests.scp.bridge import CLOUD, bridge
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import STUDY_ROOT, Answer, associate, move, wish
from tests.web_scu.dicomweb.holding import Holding

COUNT = 4
MOVE = f"{STUDY_ROOT}.2"


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
    assert [(answer.status, answer.counts) for answer in answers] == [(0x0000, (COUNT, 0, 0))] * 2
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
    monkeypatch.setattr(retrieve, "SECOND_THOUGHT_SECONDS", 0.05)
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
        answer = Answer()
        staying = asyncio.create_task(asyncio.to_thread(move, called, "OTHER", wanted))
        await asyncio.to_thread(other.reached.wait, 20)
        while not answer.pending or not answer.pending[-1].completed:
            answer.take(*await asyncio.to_thread(next, responses))
        holding.site.ended.clear()
        await asyncio.to_thread(leaving.abort)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(holding.site.ended.wait(), 0.5)
        go_on.set()
        stayed = await staying
        assert holding.retrieved == [path_of(files)]
    assert (stayed.status, stayed.counts) == (0x0000, (COUNT, 0, 0))
    assert len(receiver.came) < COUNT
