"""One pull by WADO-RS: what it leaves when it is cancelled, and what it holds in memory."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from secrets import token_hex

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.errors import OriginCancelled, StoreUnavailable, TruncatedAnswer
from isthmus.common.messages import Retrieve
from isthmus.common.retrieving.ask import Ask
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.listing import Listed
from isthmus.common.threads import Threads
from isthmus.common.webclient import WebClient
from isthmus.web_scu.dicomweb.asking import Asking
from isthmus.web_scu.dicomweb.collecting import SPILL_BYTES, collected
from isthmus.web_scu.dicomweb.retrieve import DicomwebSource, WadoPulls
from tests.common.webclient.web_origin import MULTIPART, multipart, origin_at, writes_then_is_silent
from tests.data_sets import identity, make_series
from tests.waiting import PATIENCE
from tests.web_scu.dicomweb.holding import Holding

HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: {MULTIPART}\r\nContent-Length: 9999999\r\n\r\n".encode()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("wado"), 2, seed=910)


@pytest.fixture
async def holding(images: list[Path]) -> AsyncIterator[Holding]:
    async with Holding.of(images) as holding:
        yield holding


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads("test", 2)
    yield threads
    threads.close()


@pytest.fixture
async def delivery(bus: Bus, blobs: BlobStore, images: list[Path]) -> AsyncIterator[Delivery]:
    wanted = Retrieve("cloud", identity(images[0]).study_instance_uid)
    delivery = Delivery(bus, blobs, wanted, f"1-{token_hex(4)}")
    yield delivery
    delivery.close()


@pytest.fixture
async def pulls(holding: Holding, threads: Threads, delivery: Delivery) -> AsyncIterator[WadoPulls]:
    async with WebClient(origin_at(holding.url)) as client:
        asking = Asking(client, client.origin, max_parents=1)
        yield DicomwebSource(client, asking, threads).pulls(Retrieve("cloud", "1.2"), delivery)


@pytest.fixture
def ask(images: list[Path]) -> Ask:
    """The whole series."""
    one = identity(images[0])
    return Ask.for_unlisted(one.study_instance_uid, one.series_instance_uid, ("CT",))


def path_of(ask: Ask) -> str:
    return f"studies/{ask.study}/series/{ask.series}"


async def test_cancelling_closes_the_connection_at_once(
    holding: Holding, pulls: WadoPulls, ask: Ask, images: list[Path]
) -> None:
    begun = multipart(images[0].read_bytes()).removesuffix(b"--\r\n")
    holding.does(path_of(ask), writes_then_is_silent(HEAD + begun))
    running = asyncio.create_task(pulls.first(ask))
    await holding.site.asked.wait()
    async with asyncio.timeout(PATIENCE):
        pulls.cancel()
        with pytest.raises(OriginCancelled):
            await running
        await holding.site.ended.wait()


async def test_nothing_is_asked_for_once_a_job_is_cancelled(
    holding: Holding, pulls: WadoPulls, ask: Ask
) -> None:
    pulls.cancel()
    with pytest.raises(OriginCancelled):
        await pulls.first(ask)
    assert holding.asked == []


async def test_what_is_broken_off_closes_the_connection_too(
    holding: Holding, pulls: WadoPulls, ask: Ask
) -> None:
    holding.does(path_of(ask), writes_then_is_silent(HEAD))
    running = asyncio.create_task(pulls.first(ask))
    await holding.site.asked.wait()
    running.cancel()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(asyncio.CancelledError):
            await running
        await holding.site.ended.wait()


async def test_instances_are_asked_for_at_the_same_time(
    holding: Holding, pulls: WadoPulls, ask: Ask, images: list[Path], delivery: Delivery
) -> None:
    uids = [identity(image).sop_instance_uid for image in images]
    both = Ask.for_instances(ask.study, [Listed(ask.series, uid, "", "CT") for uid in uids])
    for uid in uids:
        holding.does(f"{path_of(ask)}/instances/{uid}", writes_then_is_silent())
    running = asyncio.create_task(pulls.first(both))
    async with asyncio.timeout(PATIENCE):
        while len(holding.retrieved) < 2:
            holding.site.asked.clear()
            await holding.site.asked.wait()
    pulls.cancel()
    with pytest.raises(OriginCancelled):
        await running


async def test_a_store_that_takes_nothing_ends_the_stream(
    holding: Holding, pulls: WadoPulls, ask: Ask, delivery: Delivery
) -> None:
    delivery.close()
    with pytest.raises(StoreUnavailable):
        await pulls.first(ask)


async def chunks(*sizes: int, fails: bool = False) -> AsyncGenerator[bytes, None]:
    for number, size in enumerate(sizes):
        yield bytes([number]) * size
    if fails:
        raise TruncatedAnswer("cut off", origin="cloud")


@pytest.mark.parametrize("size", [0, 10, SPILL_BYTES])
async def test_what_is_small_is_held_in_memory(threads: Threads, size: int) -> None:
    held = await collected(chunks(size), threads)
    assert (held.size, held.in_memory) == (size, size)


async def test_what_is_large_goes_into_a_file_in_the_order_in_which_it_came(threads: Threads) -> None:
    sizes = (SPILL_BYTES - 1, 5, SPILL_BYTES, 7)
    held = await collected(chunks(*sizes), threads)
    assert held.in_memory == 0
    assert b"".join(held.chunks()) == b"".join([one async for one in chunks(*sizes)])


@pytest.mark.parametrize("sizes", [(1,), (2 * SPILL_BYTES, 1)])
async def test_what_breaks_off_is_nothing(threads: Threads, sizes: tuple[int, ...]) -> None:
    with pytest.raises(TruncatedAnswer):
        await collected(chunks(*sizes, fails=True), threads)
