import asyncio
from collections.abc import Callable, Coroutine

import pytest

from isthmus.common.derived.shared import Shared

Make = Callable[[], Coroutine[None, None, bytes]]


class Maker:
    """Makes the same bytes each time, when it is let."""

    def __init__(self, made: bytes = b"made") -> None:
        self.begun = 0
        self.cancelled = 0
        self.may_end = asyncio.Event()
        self._made = made

    async def __call__(self) -> bytes:
        self.begun += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self._made


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def fails() -> bytes:
    await asyncio.sleep(0)
    raise LookupError


async def test_a_failure_is_for_all_who_wait_and_is_not_kept() -> None:
    shared = Shared(1000)
    results = await asyncio.gather(*(shared.get("a", fails) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError] * 3
    maker = Maker()
    maker.may_end.set()
    assert await shared.get("a", maker) == b"made"


async def test_one_who_is_cancelled_cancels_nobody_else() -> None:
    shared, maker = Shared(1000), Maker()
    first, second = (asyncio.create_task(shared.get("a", maker)) for _ in range(2))
    await settled()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    maker.may_end.set()
    assert await second == b"made"
    assert (maker.begun, maker.cancelled) == (1, 0)


async def test_when_all_are_cancelled_the_making_is_too() -> None:
    shared, maker = Shared(1000), Maker()
    both = [asyncio.create_task(shared.get("a", maker)) for _ in range(2)]
    await settled()
    for one in both:
        one.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    await settled()
    assert maker.cancelled == 1


async def test_who_comes_after_all_were_cancelled_gets_it_anew() -> None:
    shared, maker = Shared(1000), Maker()
    first = asyncio.create_task(shared.get("a", maker))
    await settled()
    first.cancel()
    second = asyncio.create_task(shared.get("a", maker))
    await asyncio.gather(first, return_exceptions=True)
    maker.may_end.set()
    assert await second == b"made"


async def test_all_who_want_it_meanwhile_get_what_is_made_once() -> None:
    shared, maker = Shared(1000), Maker()
    all_of_them = [asyncio.create_task(shared.get("a", maker)) for _ in range(20)]
    await settled()
    maker.may_end.set()
    assert await asyncio.gather(*all_of_them) == [b"made"] * 20
    assert maker.begun == 1


async def test_who_comes_a_little_later_gets_it_too() -> None:
    shared, maker = Shared(1000), Maker()
    maker.may_end.set()
    await shared.get("a", maker)
    assert await shared.get("a", fails) == b"made"


async def test_names_have_nothing_to_do_with_each_other() -> None:
    shared, one, other = Shared(1000), Maker(b"one"), Maker(b"other")
    one.may_end.set()
    other.may_end.set()
    assert await shared.get("a", one) == b"one"
    assert await shared.get("b", other) == b"other"


async def test_what_was_not_wanted_for_longest_makes_room() -> None:
    shared = Shared(room=10)
    makers = {name: Maker(bytes(4)) for name in "abc"}
    for maker in makers.values():
        maker.may_end.set()
    for name in ("a", "b", "a", "c", "a", "b"):
        await shared.get(name, makers[name])
    assert {name: maker.begun for name, maker in makers.items()} == {"a": 1, "b": 2, "c": 1}


async def test_nothing_is_left_of_what_was_cleared() -> None:
    shared = Shared(room=10)
    maker = Maker(bytes(6))
    maker.may_end.set()
    await shared.get("a", maker)
    shared.clear()
    assert [await shared.get(name, maker) for name in "ab"] == [bytes(6)] * 2
    assert maker.begun == 3


async def test_what_is_larger_than_the_room_is_given_and_not_kept() -> None:
    shared, maker = Shared(room=3), Maker()
    maker.may_end.set()
    assert [await shared.get("a", maker), await shared.get("a", maker)] == [b"made", b"made"]
    assert maker.begun == 2
