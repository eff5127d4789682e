"""What webhooks promise: each event is taken, or is a dead letter, whatever the receivers do."""

import asyncio
import json
import time

import pytest

from isthmus.arrivals.webhooks import hook as hook_module
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.dead import letters, replay
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.webhooks import consumer_name
from isthmus.common.config.arriving import Webhook
from isthmus.common.messages.events import EventType
from isthmus.common.telemetry import metrics_text
from tests.arrivals.webhook_events import SECRET, Site, instance_event
from tests.arrivals.webhook_receiver import (
    OK,
    Request,
    WebhookReceiver,
    listening,
    never,
    refuse,
    say,
    signatures,
    status,
)
from tests.waiting import until

AT_ONCE = 1e-6
"""Hours after which an event is given up."""


async def count_dead(bus: Bus, hook: Webhook) -> int:
    subject = subjects.dead("webhook", hook.name)
    info = await bus.jetstream.stream_info(streams.DEAD, subject)
    return (info.state.subjects or {}).get(subject, 0)


async def waiting(bus: Bus, hook: Webhook) -> int:
    info = await bus.jetstream.consumer_info(streams.EVENTS, consumer_name(hook.name))
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def test_an_event_comes_as_it_is_in_the_stream_and_signed(
    site: Site, receiver: WebhookReceiver
) -> None:
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        event_id = await site.publish()
        (request,) = await receiver.take(1)
        state = await site.state(hook, lambda state: state.delivered)
        await until(lambda: waiting(site.bus, hook), lambda number: number == 0)
    written = json.loads(request.body)
    assert (request.path, request.id, written["id"]) == ("/hook", event_id, event_id)
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert written["data"]["origin"] == site.origin
    assert request.headers["webhook-signature"] == signatures(request, SECRET.encode())
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert (state.last_status, state.failing_since, state.next_try) == ("204", None, None)


async def test_only_events_of_the_named_types_and_inboxes_come(site: Site, receiver: WebhookReceiver) -> None:
    hook = site.webhook(receiver.url, types={"study.amended"})
    async with site.delivering(hook):
        await site.publish(EventType.STUDY_ARRIVED)
        await site.publish(EventType.STUDY_AMENDED, origin=f"{site.origin}-2")
        wanted = await site.publish(EventType.STUDY_AMENDED)
        (request,) = await receiver.take(1)
    assert request.id == wanted


async def test_a_new_webhook_begins_with_what_is_new(site: Site, receiver: WebhookReceiver) -> None:
    await site.publish()
    async with site.delivering(site.webhook(receiver.url)):
        new = await site.publish()
        (request,) = await receiver.take(1)
    assert request.id == new


@pytest.mark.parametrize(
    "answer", [status("500 Oops"), status("404 Not Found"), status("503 Busy"), b"garbage\r\n\r\n"]
)
async def test_what_is_not_taken_comes_again_with_the_same_id(
    site: Site, receiver: WebhookReceiver, answer: bytes
) -> None:
    receiver.behaviour = say(answer, OK)
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        event_id = await site.publish()
        requests = await receiver.take(2)
        state = await site.state(hook, lambda state: state.delivered)
    assert [request.id for request in requests] == [event_id] * 2
    assert (state.delivered, state.failed, state.failing_since) == (1, 1, None)


async def test_a_restart_loses_nothing(site: Site, receiver: WebhookReceiver) -> None:
    hook = site.webhook(receiver.url)
    await receiver.leave()
    async with site.delivering(hook):
        tried = await site.publish()
        state = await site.state(hook, lambda state: state.failed)
    assert (state.last_status, state.delivered) == ("no connection", 0)
    assert state.failing_since is not None
    meanwhile = await site.publish()
    await receiver.listen()
    async with site.delivering(hook):
        requests = await receiver.take(2)
        await site.state(hook, lambda state: state.delivered == 2)
    assert {request.id for request in requests} == {tried, meanwhile}


async def test_an_event_that_is_refused_does_not_hold_up_later_ones(
    site: Site, receiver: WebhookReceiver
) -> None:
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        bad = [await site.publish() for _ in range(20)]
        receiver.behaviour = refuse(bad, status("400 Bad Request"))
        good = [await site.publish() for _ in range(20)]
        await site.state(hook, lambda state: state.delivered >= 20 - receiver.requests.qsize())
        seen: set[str] = set()
        while not set(good) <= seen:
            seen |= {request.id for request in await receiver.take(1)}


async def test_receivers_that_are_away_or_never_answer_hold_up_no_other(
    site: Site, receiver: WebhookReceiver
) -> None:
    async with listening() as gone, listening() as silent:
        await gone.leave()
        silent.behaviour = never
        away, slow = (site.webhook(one.url, timeout_seconds=0.3) for one in (gone, silent))
        works = site.webhook(receiver.url)
        async with site.delivering(away, slow, works):
            published = {await site.publish() for _ in range(30)}
            taken = await receiver.take(30)
            state = await site.state(slow, lambda state: state.failed)
            assert {request.id for request in taken} == published
            assert state.last_status == "no answer in time"
            assert await waiting(site.bus, slow) == await waiting(site.bus, away) == 30
    assert silent.most_open <= 1  # the others wait in the stream


async def test_connections_are_few_and_used_again(site: Site, receiver: WebhookReceiver) -> None:
    async with site.delivering(site.webhook(receiver.url)):
        for _ in range(100):
            await site.publish()
        await receiver.take(100)
    assert receiver.connections <= 8


async def test_what_is_never_taken_becomes_a_dead_letter_and_can_be_replayed(
    site: Site, receiver: WebhookReceiver
) -> None:
    hook = site.webhook(receiver.url, give_up_hours=0.5 / 3600)
    async with site.delivering(hook):
        receiver.behaviour = say(status("422 No"))
        bad = await site.publish()
        requests = await receiver.take(1)
        receiver.behaviour = refuse([bad], status("422 No"))
        while not await count_dead(site.bus, hook):
            await site.publish()  # it works, but for one event
            await asyncio.sleep(0.05)
        (buried,) = [one async for one in letters(site.bus, hook.name)]
        letter = buried.letter
        await until(lambda: waiting(site.bus, hook), lambda number: number == 0)
        requests += [one for one in await receiver.take(receiver.requests.qsize()) if one.id == bad]
        assert (letter.what, letter.name, letter.reason) == ("webhook", hook.name, "HTTP 422")
        assert letter.attempts == len(requests)
        assert letter.attempts >= hook_module.LEAST_ATTEMPTS
        assert letter.last - letter.first >= 0.5
        receiver.behaviour = say(OK)
        await replay(site.bus, buried)
        assert not await count_dead(site.bus, hook)
        (again,) = await receiver.take(1)
        await until(lambda: _replays(site.bus, hook), lambda number: number == 0)
    assert (again.id, again.body) == (bad, letter.payload)


async def _replays(bus: Bus, hook: Webhook) -> int:
    info = await bus.jetstream.consumer_info(streams.FORWARDS, consumer_name(hook.name))
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


async def test_a_replayed_letter_that_is_refused_again_is_a_letter_again(
    site: Site, receiver: WebhookReceiver
) -> None:
    receiver.behaviour = say(status("422 No"))
    hook = site.webhook(receiver.url, give_up_hours=AT_ONCE)
    async with site.delivering(hook):
        await site.publish()
        await until(lambda: count_dead(site.bus, hook), lambda number: number == 1)
        (first,) = [one async for one in letters(site.bus, hook.name)]
        await replay(site.bus, first)
        await until(lambda: count_dead(site.bus, hook), lambda number: number == 1)
        (second,) = [one async for one in letters(site.bus, hook.name)]
    assert second.number > first.number
    assert second.letter.payload == first.letter.payload


async def test_of_a_receiver_that_is_away_for_too_long_what_waits_is_given_up_untried(
    site: Site, receiver: WebhookReceiver
) -> None:
    """Else it would wait until the stream forgets it."""
    await receiver.leave()
    hook = site.webhook(receiver.url, give_up_hours=0.5 / 3600)
    async with site.delivering(hook):
        for _ in range(50):
            await site.publish()
        await until(lambda: count_dead(site.bus, hook), lambda number: number == 50)
        state = await site.states.get(hook.name)
        await until(lambda: waiting(site.bus, hook), lambda number: number == 0)
    assert state.failed < 50


async def test_what_waited_for_us_is_tried_though_the_receiver_was_away_before(
    site: Site, receiver: WebhookReceiver
) -> None:
    """It may be back since: whoever was stopped for a day cannot know."""
    await receiver.leave()
    hook = site.webhook(receiver.url, give_up_hours=AT_ONCE)
    async with site.delivering(hook):
        await site.publish()
        await until(lambda: count_dead(site.bus, hook), lambda number: number == 1)
    waited = [await site.publish() for _ in range(3)]
    await receiver.listen()
    async with site.delivering(hook):
        taken = await receiver.take(3)
    assert {request.id for request in taken} == set(waited)
    assert await count_dead(site.bus, hook) == 1


async def test_a_redirect_is_not_followed(site: Site, receiver: WebhookReceiver) -> None:
    async with listening() as elsewhere:
        receiver.behaviour = say(status("307 Temporary Redirect", f"Location: {elsewhere.url}"), OK)
        async with site.delivering(site.webhook(receiver.url)):
            event_id = await site.publish()
            requests = await receiver.take(2)
        assert [request.id for request in requests] == [event_id] * 2
        assert elsewhere.connections == 0


async def test_an_answer_that_never_ends_is_an_answer(site: Site, receiver: WebhookReceiver) -> None:
    async def endless(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    receiver.behaviour = endless
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        await site.publish()
        await site.publish()
        await receiver.take(2)
        state = await site.state(hook, lambda state: state.delivered == 2)
    assert state.failed == 0


async def test_a_receiver_that_asks_for_time_gets_it(site: Site, receiver: WebhookReceiver) -> None:
    times: list[float] = []

    async def busy(request: Request, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        writer.write(status("429 Too Many Requests", "Retry-After: 1") if len(times) == 1 else OK)

    receiver.behaviour = busy
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        await site.publish()
        await receiver.take(1)
        state = await site.state(hook, lambda state: state.next_try)
        await site.publish()
        await receiver.take(2)
    assert state.next_try is not None
    assert min(times[1:]) - times[0] >= 0.99


async def test_what_is_no_event_is_dropped_and_the_next_one_comes(
    site: Site, receiver: WebhookReceiver
) -> None:
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        subject = subjects.event("study.arrived", site.origin)
        for garbage in (b"", b"[]", b'{"id": 5}', b'{"id": "a\\nb"}', b"\xff"):
            await site.bus.jetstream.publish(subject, garbage)
        event_id = await site.publish()
        (request,) = await receiver.take(1)
        await until(lambda: waiting(site.bus, hook), lambda number: number == 0)
    assert request.id == event_id


async def test_two_replicas_deliver_each_event_once(site: Site, receiver: WebhookReceiver) -> None:
    hook = site.webhook(receiver.url)
    async with site.delivering(hook), site.delivering(hook):
        published = {await site.publish() for _ in range(40)}
        taken = await receiver.take(40)
        await site.state(hook, lambda state: state.delivered == 40)
    assert {request.id for request in taken} == published
    assert receiver.requests.empty()


async def test_a_webhook_that_is_not_in_the_settings_any_more_is_forgotten(
    site: Site, receiver: WebhookReceiver
) -> None:
    old, stays = site.webhook(receiver.url), site.webhook(receiver.url)
    async with site.delivering(old, stays):
        pass
    async with site.delivering(stays):
        names = {info.name for info in await site.bus.jetstream.consumers_info(streams.EVENTS)}
        assert consumer_name(old.name) not in names
        assert consumer_name(stays.name) in names
        assert old.name not in await site.states.names()
    async with site.delivering(old):
        assert (await site.states.get(old.name)).url == receiver.url


async def test_other_types_in_the_settings_hold_for_what_comes_then(
    site: Site, receiver: WebhookReceiver
) -> None:
    hook = site.webhook(receiver.url, types={"study.arrived"})
    async with site.delivering(hook):
        pass
    async with site.delivering(site.webhook(receiver.url, name=hook.name, types={"instance.stored"})):
        await site.publish()
        event = instance_event(site.origin)
        await publish_event(site.bus, event)
        (request,) = await receiver.take(1)
    assert request.id == event.id


async def test_metrics_tell_how_webhooks_do(site: Site, receiver: WebhookReceiver) -> None:
    receiver.behaviour = say(status("500 Oops"), OK)
    hook = site.webhook(receiver.url)
    async with site.delivering(hook):
        await site.publish()
        await site.state(hook, lambda state: state.delivered)
        told = metrics_text().decode()
    for outcome in ("delivered", "failed"):
        assert (
            f'isthmus_webhook_attempts_total{{isthmus_outcome="{outcome}",isthmus_webhook="{hook.name}"}} 1.0'
            in told
        )
