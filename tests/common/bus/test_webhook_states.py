"""The records of webhooks."""

import asyncio
from dataclasses import replace
from uuid import uuid4

from isthmus.common.bus import Bus
from isthmus.common.bus.webhooks import WebhookState, WebhookStates

OFTEN = 1000


async def test_a_webhook_that_has_a_record_is_always_named(bus: Bus) -> None:
    """The watcher of nats-py was once in a thousand times at its end before it had begun."""
    states, name = WebhookStates(bus), f"hook-{uuid4().hex[:12]}"
    await states.change(name, lambda state: replace(state, url="http://127.0.0.1"))
    told = [await asyncio.gather(*(states.names() for _ in range(50))) for _ in range(OFTEN // 50)]
    assert all(name in names for some in told for names in some)


async def test_what_is_forgotten_is_not_named_and_may_come_again(bus: Bus) -> None:
    states, name = WebhookStates(bus), f"hook-{uuid4().hex[:12]}"
    await states.change(name, lambda state: replace(state, delivered=5))
    await states.forget(name)
    assert name not in await states.names()
    assert await states.get(name) == WebhookState(name)
    await states.change(name, lambda state: replace(state, delivered=state.delivered + 1))
    assert name in await states.names()
    assert (await states.get(name)).delivered == 1
