"""How many instances an origin counts decides when a study is complete, and nobody waits for it long."""

import pytest

from isthmus.arrivals import expected
from isthmus.common.bus import Bus, MatchWriter, serve_queries
from isthmus.common.messages import Query
from isthmus.common.messages.events import Reason
from tests.arrivals.conftest import QUIET, Arrivals
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber

PACS = "pacs-of-arrivals"


async def test_as_many_as_the_origin_counts_is_complete(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus
) -> None:
    counts = [3, 2]

    async def search(_: Query, writer: MatchWriter) -> None:
        await writer.add({"00201208": {"vr": "IS", "Value": [counts.pop(0)]}})

    serving = await serve_queries(own_bus, PACS, search)
    async with arrivals.running(expect=PACS):
        await send.instances("1.2", range(2))
        event = await subscriber.next()
    await serving.finish()
    assert (event.data.complete, event.data.reason) == (True, Reason.COUNT)
    assert counts == []  # it was asked again, because more were expected at first


async def test_more_than_will_come_is_not_waited_for_for_ever(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus
) -> None:
    async def search(_: Query, writer: MatchWriter) -> None:
        await writer.add({"00201208": {"vr": "IS", "Value": [3]}})

    serving = await serve_queries(own_bus, PACS, search)
    async with arrivals.running(expect=PACS, quiet_seconds=0.05):
        await send.instances("1.2", range(2))
        event = await subscriber.next()
    await serving.finish()
    assert (event.data.complete, event.data.reason) == ("assumed", Reason.QUIET)


async def test_an_origin_that_is_away_delays_nothing(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    async with arrivals.running(expect="nobody"):
        await send.instances("1.2", range(2))
        event = await subscriber.next(QUIET + 3)
    assert event.data.reason is Reason.QUIET


async def test_an_origin_that_says_nothing_delays_for_some_seconds_only(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def search(_: Query, writer: MatchWriter) -> None:
        await writer.abandoned.wait()

    assert expected.ASK_SECONDS < 5
    monkeypatch.setattr(expected, "ASK_SECONDS", 0.5)
    serving = await serve_queries(own_bus, PACS, search)
    async with arrivals.running(expect=PACS):
        await send.instances("1.2", range(2))
        event = await subscriber.next(QUIET + 3)
    await serving.finish()
    assert event.data.reason is Reason.QUIET
