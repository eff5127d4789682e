"""How many bytes may be on their way into S3: who comes when there is no room waits."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.config import Inbox
from isthmus.common.service import Parts
from isthmus.scp.storing.budget import MOST_OF_ONE, Budget
from isthmus.scp.worker import serving
from tests.scp.conftest import INBOX, Sending, send, with_scp
from tests.waiting import PATIENCE


async def test_who_finds_room_does_not_wait() -> None:
    budget = Budget(100)
    async with budget.taken(60), budget.taken(40):
        assert budget.waiting == 0


async def waiting(budget: Budget, size: int, order: list[int]) -> asyncio.Task[None]:
    """Take so much in a task, which now waits for it."""

    async def take() -> None:
        async with budget.taken(size):
            order.append(size)

    before = budget.waiting
    task = asyncio.create_task(take())
    await asyncio.sleep(0)  # a turn of the loop, in which it begins to wait
    assert budget.waiting == before + 1
    return task


async def test_first_come_first_served_so_that_the_large_do_not_starve() -> None:
    budget, order = Budget(100), list[int]()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(budget.taken(60))
        tasks = [await waiting(budget, size, order) for size in (90, 1, 2)]
        assert order == []
    await asyncio.gather(*tasks)
    assert order == [90, 1, 2]


async def test_what_is_larger_than_all_has_it_alone() -> None:
    budget, order = Budget(100), list[int]()
    async with budget.taken(1000):
        task = await waiting(budget, 1, order)
    await task
    async with budget.taken(100):
        assert budget.waiting == 0


async def test_one_of_gigabytes_leaves_room_for_others() -> None:
    budget = Budget(4 * MOST_OF_ONE)
    large = 2**32
    async with asyncio.timeout(PATIENCE), budget.taken(large), budget.taken(large), budget.taken(MOST_OF_ONE):
        assert budget.waiting == 0  # nobody had to wait, or the time would be up


@pytest.mark.parametrize("is_first", [True, False])
async def test_who_gives_up_waiting_holds_up_nobody(is_first: bool) -> None:
    budget, order = Budget(100), list[int]()
    async with budget.taken(60):
        large = await waiting(budget, 90, order)
        small = await waiting(budget, 30, order)
        (large if is_first else small).cancel()
        await asyncio.wait([large if is_first else small])
        if is_first:
            await small
    await asyncio.gather(large, small, return_exceptions=True)
    assert order == ([30] if is_first else [90])
    async with budget.taken(100):
        assert budget.waiting == 0


async def test_who_is_cancelled_in_the_moment_of_its_turn_gives_it_back() -> None:
    budget, order = Budget(100), list[int]()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(budget.taken(100))
        task = await waiting(budget, 50, order)
        await stack.aclose()
        task.cancel()
    await asyncio.wait([task])
    assert order == []
    async with budget.taken(100):
        assert budget.waiting == 0


async def test_a_failure_gives_it_back() -> None:
    budget = Budget(100)
    with pytest.raises(ValueError, match="wrong"):
        async with budget.taken(100):
            raise ValueError("wrong")
    async with budget.taken(100):
        assert budget.waiting == 0


async def test_no_more_bytes_are_written_at_once_than_the_settings_allow(
    parts: Parts,
    blobs: BlobStore,
    inbox: Inbox,
    dataset: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once, most, two_wait = 0, 0, asyncio.Event()
    put, taken = blobs.put, Budget.taken

    async def measured(key: str, data: list[bytes]) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if key.startswith("inbox/"):
            await two_wait.wait()
        await put(key, data)
        at_once -= 1

    def noticed(self: Budget, size: int) -> object:
        if self.waiting == 1:  # and this is the second
            asyncio.get_running_loop().call_soon(two_wait.set)
        return taken(self, size)

    monkeypatch.setattr(blobs, "put", measured)
    monkeypatch.setattr(Budget, "taken", noticed)
    pixels = bytes(700 * 1024)
    large = b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little") + pixels
    async with serving(with_scp(parts, max_receiving_bytes=1024 * 1024)) as server:
        results = await asyncio.gather(
            *(
                send(server, Sending(dataset(instance=uid) + large, uid), called=INBOX)
                for uid in ("1.2.3.1", "1.2.3.2", "1.2.3.3")
            )
        )
    assert [result.status for (result,) in results] == [0, 0, 0]
    assert most == 1
