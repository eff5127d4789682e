import asyncio
from collections.abc import Callable

import pytest
from nats.aio.msg import Msg

from isthmus.common.bus import Bus, MatchWriter, search, serve_queries, subjects
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.errors import BusUnavailable, NoWorker, OperationFailed
from isthmus.common.messages import Matches, Query, QueryDone, encode
from tests.waiting import PATIENCE


def query(origin: str) -> Query:
    return Query(origin, Level.STUDY, (), (("0020000D",),))


def match(number: int) -> DicomJson:
    return {"0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]}}


async def test_nobody_serves_the_origin(bus: Bus, origin_name: str) -> None:
    with pytest.raises(NoWorker, match=origin_name):
        async with search(bus, query(origin_name)) as matches:
            await anext(matches)


async def test_a_failure_after_matches_is_raised_and_not_a_short_list(bus: Bus, origin_name: str) -> None:
    async def searcher(_: Query, writer: MatchWriter) -> None:
        await writer.add(match(1))
        raise OperationFailed("cannot understand", origin=origin_name, status=0xC001)

    await serve_queries(bus, origin_name, searcher)
    async with search(bus, query(origin_name)) as matches:
        assert await anext(matches) == match(1)
        with pytest.raises(OperationFailed) as caught:
            await anext(matches)
    assert caught.value.status == 0xC001


@pytest.mark.parametrize("arrived", [(0, 2), (1, 2), (0, 1)])
async def test_a_batch_that_got_lost_is_a_failure_and_not_a_short_list(
    bus: Bus, origin_name: str, arrived: tuple[int, ...]
) -> None:
    async def answer(query: Msg) -> None:
        for number in arrived:
            await query.respond(encode(Matches((match(number),), number)))
        await query.respond(encode(QueryDone(batches=3)))

    await bus.client.subscribe(subjects.query(origin_name), cb=answer)
    with pytest.raises(BusUnavailable, match="lost"):
        async with search(bus, query(origin_name)) as matches:
            _ = [one async for one in matches]


async def test_a_match_that_fits_no_message_is_a_failure_and_not_a_short_list(
    bus: Bus, origin_name: str
) -> None:
    async def searcher(_: Query, writer: MatchWriter) -> None:
        await writer.add(match(1))
        await writer.add({"00081030": {"vr": "LO", "Value": ["x" * 2_000_000]}})
        await asyncio.sleep(0.3)  # long enough for the batch to go by itself
        await writer.add(match(2))

    await serve_queries(bus, origin_name, searcher)
    with pytest.raises(BusUnavailable):
        async with search(bus, query(origin_name)) as matches:
            _ = [one async for one in matches]


async def test_a_search_that_is_cancelled_in_the_worker_is_a_failure_and_not_a_short_list(
    bus: Bus, origin_name: str
) -> None:
    async def searcher(_: Query, writer: MatchWriter) -> None:
        await writer.add(match(1))
        raise asyncio.CancelledError

    await serve_queries(bus, origin_name, searcher)
    with pytest.raises(BusUnavailable, match="stopping"):
        async with search(bus, query(origin_name)) as matches:
            _ = [one async for one in matches]


async def test_a_worker_that_breaks_is_a_failure(bus: Bus, origin_name: str) -> None:
    async def searcher(_: Query, __: MatchWriter) -> None:
        raise ValueError("Doe^John")

    await serve_queries(bus, origin_name, searcher)
    with pytest.raises(Exception, match="The worker failed") as caught:
        async with search(bus, query(origin_name)) as matches:
            await anext(matches)
    assert "Doe" not in str(caught.value)


async def test_a_worker_that_says_nothing_is_noticed(bus: Bus, origin_name: str) -> None:
    subscription = await bus.client.subscribe(f"dicom.query.{origin_name}")
    with pytest.raises(BusUnavailable, match="silent"):
        async with search(bus, query(origin_name), silence=0.2) as matches:
            await anext(matches)
    await subscription.unsubscribe()


async def test_a_slow_origin_is_no_silence(bus: Bus, origin_name: str) -> None:
    answer = asyncio.Event()

    async def searcher(_: Query, writer: MatchWriter) -> None:
        await answer.wait()
        await writer.add(match(1))

    await serve_queries(bus, origin_name, searcher)
    asyncio.get_running_loop().call_later(2.5, answer.set)
    async with search(bus, query(origin_name), silence=1.5) as matches:
        assert [one async for one in matches] == [match(1)]


async def test_all_matches_come_in_order(bus: Bus, origin_name: str) -> None:
    async def searcher(_: Query, writer: MatchWriter) -> None:
        for number in range(1234):
            await writer.add(match(number))

    await serve_queries(bus, origin_name, searcher)
    async with search(bus, query(origin_name)) as matches:
        assert [one async for one in matches] == [match(number) for number in range(1234)]


async def test_matches_too_big_for_one_message_are_split(bus: Bus, origin_name: str) -> None:
    big: DicomJson = {"00081030": {"vr": "LO", "Value": ["x" * 50_000]}}

    async def searcher(_: Query, writer: MatchWriter) -> None:
        for _number in range(50):
            await writer.add(big)

    await serve_queries(bus, origin_name, searcher)
    async with search(bus, query(origin_name)) as matches:
        assert len([one async for one in matches]) == 50


async def test_no_match_is_an_empty_list(bus: Bus, origin_name: str) -> None:
    async def searcher(_: Query, __: MatchWriter) -> None:
        return

    await serve_queries(bus, origin_name, searcher)
    async with search(bus, query(origin_name)) as matches:
        assert [one async for one in matches] == []


async def test_a_reader_that_leaves_cancels_the_search(bus: Bus, origin_name: str) -> None:
    cancelled = asyncio.Event()

    async def searcher(_: Query, writer: MatchWriter) -> None:
        number = 0
        try:
            while True:
                await writer.add(match(number))
                number += 1
        finally:
            cancelled.set()

    await serve_queries(bus, origin_name, searcher)
    async with search(bus, query(origin_name)) as matches:
        await anext(matches)
    async with asyncio.timeout(PATIENCE):
        await cancelled.wait()


async def test_a_reader_that_leaves_before_the_first_match_cancels_the_search(
    bus: Bus, origin_name: str
) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def searcher(_: Query, __: MatchWriter) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    await serve_queries(bus, origin_name, searcher)
    async with search(bus, query(origin_name)):
        await begun.wait()
    async with asyncio.timeout(PATIENCE):
        await cancelled.wait()


async def test_a_reader_that_is_slow_slows_the_worker_down(bus: Bus, origin_name: str) -> None:
    added = 0

    async def searcher(_: Query, writer: MatchWriter) -> None:
        nonlocal added
        for number in range(10_000):
            await writer.add(match(number))
            added += 1

    await serve_queries(bus, origin_name, searcher)
    async with search(bus, query(origin_name)) as matches:
        await anext(matches)
        await bus.client.flush()
        await asyncio.wait_for(_until_steady(lambda: added), 5)
        assert added < 1000
        assert len([one async for one in matches]) == 9999


async def _until_steady(reading: Callable[[], int]) -> None:
    """Wait until a number has not changed for a while."""
    before = -1
    while reading() != before:
        before = reading()
        await asyncio.sleep(0.3)
