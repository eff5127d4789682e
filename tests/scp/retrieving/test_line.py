"""The line of what waits to be sent: bounded in memory, over all requests."""

import asyncio
from collections.abc import Collection
from dataclasses import replace

import pytest
from pydicom.uid import JPEG2000Lossless

from isthmus.common.blobs import BlobStore
from isthmus.common.derived.for_peers import ForPeers
from isthmus.common.dimse import Context
from isthmus.common.dimse.results import SubOperationOf
from isthmus.common.errors import BlobMissing, PixelsUnreadable
from isthmus.common.messages import BlobRef
from isthmus.common.threads import Threads
from isthmus.scp.retrieving.line import SMALL_BYTES, Line, Room
from isthmus.scp.retrieving.outlet import Outlet, Outlets
from tests.common.dimse.acceptor import CT, acceptor, opened
from tests.waiting import PATIENCE

SIZE = 1000


def blob(blobs: BlobStore, name: str, size: int = SIZE) -> BlobRef:
    return BlobRef(blobs.bucket, f"line/{name}", size, "1.2", "1.3", name, "1.4", "1.2.840.10008.1.2.1")


@pytest.fixture
async def stored(blobs: BlobStore, origin_name: str) -> list[BlobRef]:
    refs = [blob(blobs, f"{origin_name}-{number}") for number in range(3)]
    for ref in refs:
        await blobs.put(ref.key, ref.sop_instance_uid.encode().ljust(SIZE))
    return refs


async def contents(line: Line) -> list[bytes]:
    found = []
    while (waiting := await line.take()) is not None:
        with await line.open(waiting) as data:
            found.append(data.read())
    return found


@pytest.mark.parametrize("room", [0, SIZE, 10 * SIZE])
async def test_all_come_in_their_order_whether_there_is_room_or_not(
    blobs: BlobStore, stored: list[BlobRef], room: int
) -> None:
    line = Line(blobs, Room(room))
    for ref in stored:
        await line.put(ref)
    await line.end()
    assert await contents(line) == [ref.sop_instance_uid.encode().ljust(SIZE) for ref in stored]


async def test_room_comes_back_when_it_is_opened_and_when_the_line_is_closed(
    blobs: BlobStore, stored: list[BlobRef]
) -> None:
    room = Room(2 * SIZE)
    line = Line(blobs, room)
    for ref in stored[:2]:
        await line.put(ref)
    assert not room.take(1)
    first = await line.take()
    assert first is not None
    (await line.open(first)).close()
    assert room.take(SIZE)
    room.give_back(SIZE)
    await line.close()
    assert room.take(2 * SIZE)


async def test_room_comes_back_from_what_is_not_there(blobs: BlobStore) -> None:
    room = Room(SIZE)
    line = Line(blobs, room)
    await line.put(blob(blobs, "missing"))
    waiting = await line.take()
    assert waiting is not None
    with pytest.raises(BlobMissing):
        await line.open(waiting)
    assert room.take(SIZE)


async def test_room_comes_back_from_what_is_dropped(blobs: BlobStore, stored: list[BlobRef]) -> None:
    room = Room(SIZE)
    line = Line(blobs, room)
    await line.put(stored[0])
    waiting = await line.take()
    assert waiting is not None
    line.drop(waiting)
    line.drop(waiting)
    assert room.take(SIZE)
    assert not room.take(1)


class _MakesNothing(ForPeers):
    """Of no instance another transfer syntax."""

    def __init__(self) -> None:
        """Need nothing."""

    async def given(self, blob: BlobRef, accepted: Collection[str]) -> BlobRef:
        raise PixelsUnreadable("The pixels are corrupt", instance=blob.sop_instance_uid)


async def test_room_comes_back_from_what_a_peer_cannot_be_given(
    blobs: BlobStore, stored: list[BlobRef]
) -> None:
    room = Room(SIZE)
    line = Line(blobs, room)
    await line.put(replace(stored[0], sop_class_uid=CT))
    waiting = await line.take()
    assert waiting is not None
    with acceptor(classes=[CT]) as peer, opened(peer, [Context(CT, (JPEG2000Lossless,))]) as association:
        outlet = Outlet(Outlets(blobs, Threads("sending", 1), _MakesNothing()), line, SubOperationOf(0))
        with pytest.raises(PixelsUnreadable):
            await outlet.send(association, waiting)
    assert room.take(SIZE)


async def test_what_is_large_waits_in_s3(blobs: BlobStore) -> None:
    room = Room(2 * SMALL_BYTES)
    line = Line(blobs, room)
    await line.put(blob(blobs, "large", SMALL_BYTES + 1))
    assert room.take(2 * SMALL_BYTES)


async def test_what_is_put_back_goes_to_the_next(blobs: BlobStore, stored: list[BlobRef]) -> None:
    line = Line(blobs, Room())
    await line.put(stored[0])
    await line.end()
    waiting = await line.take()
    assert waiting is not None
    line.put_back(waiting)
    assert line.has_returned
    assert len(await contents(line)) == 1


async def test_stopped_it_tells_what_is_left_and_wakes_who_waits(
    blobs: BlobStore, stored: list[BlobRef]
) -> None:
    line = Line(blobs, Room())
    for ref in stored:
        await line.put(ref)
    taken = await line.take()
    assert taken is not None
    assert line.stop() == [ref.sop_instance_uid for ref in stored[1:]]
    assert await asyncio.wait_for(line.take(), PATIENCE) is None
    await line.close()
