"""When objects that only refer to each other are looked for."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from isthmus.common.service import garbage
from isthmus.common.service.garbage import CollectBetweenRequests


class Garbage:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def old_garbage() -> weakref.ref[Garbage]:
    """Something that nothing but itself refers to, and that only a full collection visits."""
    one = Garbage()
    gc.collect()
    return weakref.ref(one)


class App:
    """Answers when it may."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        await self.may_end.wait()


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def send(_: Message) -> None:
    pass


@pytest.fixture(autouse=True)
def thresholds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(garbage, "BETWEEN_REQUESTS", 0)
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


async def test_it_goes_when_the_last_request_has_ended_and_not_before() -> None:
    app = App()
    collecting = CollectBetweenRequests(app)
    first, last = (asyncio.create_task(collecting({"type": "http"}, receive, send)) for _ in range(2))
    left = old_garbage()
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    await asyncio.sleep(0)
    assert left() is not None
    app.may_end.set()
    await last
    await asyncio.sleep(0)
    assert left() is None


def test_full_collections_by_themselves_are_rare() -> None:
    CollectBetweenRequests(App())
    assert gc.get_threshold()[2] == garbage.AT_LAST


def test_what_is_there_at_the_start_is_never_visited_and_what_comes_is() -> None:
    gc.disable()
    before = gc.get_freeze_count()
    try:
        garbage.settle()
        assert gc.get_freeze_count() > before
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
