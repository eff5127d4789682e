"""Receivers that answer 410: they get nothing more, until somebody says so or they are elsewhere."""

import asyncio
from dataclasses import replace

import pytest

from isthmus.common.bus.webhooks import WebhookState, WebhookStates
from tests.arrivals.webhook_events import Site
from tests.arrivals.webhook_receiver import OK, Request, WebhookReceiver, say, status


async def test_who_answers_410_gets_nothing_more_until_somebody_says_so(
    site: Site, receiver: WebhookReceiver
) -> None:
    receiver.behaviour = say(status("410 Gone"))
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        first = await site.publish()
        await site.state(hook, lambda state: state.stopped)
    second = await site.publish()
    receiver.behaviour = say(OK)
    await receiver.take(1)
    other = site.webhook(receiver.url)
    async with site.delivering(hook, other):
        third = await site.publish()
        (request,) = await receiver.take(1)  # the other's
        assert request.id == third
        await site.state(other, lambda state: state.delivered)
        assert receiver.requests.empty()
        await site.states.change(hook.name, lambda state: replace(state, stopped=None))
        resumed = await receiver.take(3)
    assert {request.id for request in resumed} == {first, second, third}


async def test_who_answers_410_is_asked_no_more_though_its_record_is_being_read(
    site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: asyncio.Queue[None] = asyncio.Queue()
    read = asyncio.Event()
    look = WebhookStates.get

    async def slow(states: WebhookStates, name: str) -> WebhookState:
        found = await look(states, name)
        looks.put_nowait(None)
        await read.wait()
        return found

    async def gone(_: Request, writer: asyncio.StreamWriter) -> None:
        await looks.get()
        writer.write(status("410 Gone"))
        asyncio.get_running_loop().call_later(0.3, read.set)

    receiver.behaviour = gone
    monkeypatch.setattr(WebhookStates, "get", slow)
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        await site.publish()
        await receiver.take(1)
        await site.state(hook, lambda state: state.stopped and state.failed)
        for _ in range(5):
            await looks.get()
    assert (await site.states.get(hook.name)).failed == 1


async def test_a_webhook_that_was_stopped_goes_on_at_another_url(
    site: Site, receiver: WebhookReceiver
) -> None:
    receiver.behaviour = say(status("410 Gone"), OK)
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        event_id = await site.publish()
        await site.state(hook, lambda state: state.stopped)
    async with site.delivering(site.webhook(f"{receiver.url}/2", name=hook.name)):
        _, request = await receiver.take(2)
    assert (request.path, request.id) == ("/hook/2", event_id)
