"""The queue of a destination: who dies at it, what waits in it, and what is none of ours."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

from isthmus.arrivals.forwarding.routing import Router
from isthmus.common.auth import Grants, Kind, Policy, Principal, Right, acting_as
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, end_tasks, streams, subjects
from isthmus.common.bus.backlog import SINCE
from isthmus.common.bus.dead import Buried, bury, is_wanted, letters, replay
from isthmus.common.bus.forwards import consumer_name, enqueue, is_pending, send
from isthmus.common.bus.granted import Gate
from isthmus.common.config.access import Rule
from isthmus.common.config.settings import Nats
from isthmus.common.messages import DeadLetter, Forwarding, encode
from isthmus.common.messages.events import CloudEvent
from tests.arrivals.forwards import Site, Taken, site_of, uids
from tests.waiting import PATIENCE, until


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    async with site_of(bus, blobs, origin_name) as site:
        yield site


async def test_a_queue_that_no_rule_feeds_any_more_is_worked_off(site: Site) -> None:
    waiting = Forwarding(uuid4().hex, site.inbox, site.study, site.destination, (site.ref(1),), 1.0)
    await enqueue(site.bus, waiting)
    taken = site.employ()
    async with site.forwarding({"inbox": f"other-{site.inbox}"}):
        assert await taken.next() == uids(site.ref(1))


async def died_before(site: Site, waiting: Forwarding, *, results: bool) -> None:
    """Leave a message as one who died of SIGKILL does: after the results, or only after the submission."""
    await enqueue(site.bus, waiting)
    consumer = ConsumerConfig(
        durable_name=f"forwards-{site.destination}",
        filter_subject=subjects.forwards(site.destination),
        ack_wait=30.0,
        max_ack_pending=-1,
    )
    await site.bus.jetstream.add_consumer(streams.FORWARDS, consumer)
    pulling = await site.bus.jetstream.pull_subscribe_bind(consumer.durable_name, streams.FORWARDS)
    (message,) = await pulling.fetch(1, timeout=PATIENCE)
    if results:
        await send(site.bus, waiting, is_repeat=False)
    else:
        sending = asyncio.create_task(send(site.bus, waiting, is_repeat=False))
        await until(lambda: _stores(site))
        await end_tasks([sending])
    await message.nak()
    await pulling.unsubscribe()


async def _stores(site: Site) -> object:
    info = await site.bus.jetstream.stream_info(
        streams.STORES, subjects_filter=subjects.store(site.destination)
    )
    return info.state.subjects


async def test_who_died_after_the_results_leaves_them_to_the_next(site: Site) -> None:
    waiting = Forwarding(uuid4().hex, site.inbox, site.study, site.destination, (site.ref(1),), 1.0)
    taken = site.employ()
    await died_before(site, waiting, results=True)
    async with site.forwarding():
        await site.done()
    assert taken.jobs == [uids(site.ref(1))]


async def test_who_died_before_the_results_leaves_its_job_to_the_next(site: Site) -> None:
    waiting = Forwarding(uuid4().hex, site.inbox, site.study, site.destination, (site.ref(1),), 1.0)
    await died_before(site, waiting, results=False)
    async with site.forwarding():
        taken = site.employ()
        await site.done()
    assert taken.jobs == [uids(site.ref(1))]


async def test_a_job_that_was_taken_back_is_submitted_anew(site: Site) -> None:
    """JetStream remembers its id, and would take the second submission for the first."""
    waiting = Forwarding(uuid4().hex, site.inbox, site.study, site.destination, (site.ref(1),), 1.0)
    sending = asyncio.create_task(send(site.bus, waiting, is_repeat=False))
    await until(lambda: _stores(site))
    await end_tasks([sending])
    await site.bus.jetstream.purge_stream(streams.STORES, subject=subjects.store(site.destination))
    site.employ()
    results = await asyncio.wait_for(send(site.bus, waiting, is_repeat=True), PATIENCE)
    assert [result.status for result in results.values()] == [0]


async def test_what_waits_for_its_next_attempt_is_not_tried_before(site: Site) -> None:
    early = Forwarding(
        uuid4().hex, site.inbox, site.study, site.destination, (site.ref(1),), 1.0, not_before=4e9
    )
    await enqueue(site.bus, early)
    taken: Taken = site.employ()
    await enqueue(site.bus, replace(early, id=uuid4().hex, blobs=(site.ref(2),), not_before=0.0))
    async with site.forwarding():
        assert await taken.next() == uids(site.ref(2))
        await until(lambda: is_pending(site.bus, site.inbox, site.study))
    assert taken.jobs == [uids(site.ref(2))]


async def test_events_of_one_who_stops_are_routed_by_the_next_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_at = asyncio.Event()

    async def hangs(_: Router, event: CloudEvent[Any], __: int) -> None:
        if event.data.study == site.study:
            stopped_at.set()
            await asyncio.Event().wait()

    await site.announce(site.ref(1))
    await site.announce(site.ref(1), site.ref(2), revision=2)
    with monkeypatch.context() as patched:
        patched.setattr(Router, "route", hangs)
        async with site.forwarding(), asyncio.timeout(PATIENCE):
            await stopped_at.wait()
    site.employ()
    async with site.forwarding():
        await site.routed()
        await site.done()


async def test_consumers_that_are_lost_are_made_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restart of NATS that lost its state."""
    monkeypatch.setattr("isthmus.common.bus.pull.PULL_SECONDS", 0.3)
    taken = site.employ()
    async with site.forwarding():
        await site.routed()
        await site.forget_place()
        await site.bus.jetstream.delete_consumer(streams.FORWARDS, f"forwards-{site.destination}")
        await site.announce(site.ref(1))
        assert await taken.next() == uids(site.ref(1))


async def test_a_destination_without_a_worker_waits_for_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.bus.progress.SILENCE", 0.1)
    monkeypatch.setattr("isthmus.common.bus.queues.SECOND_LOOK", 0.1)
    async with site.forwarding(max_attempts=1):
        await site.announce(site.ref(1))
        await until(lambda: _deliveries(site), lambda count: count >= 3)
        taken = site.employ()
        await site.done()
    assert taken.jobs == [uids(site.ref(1))]
    assert await site.dead() == []


async def _deliveries(site: Site) -> int:
    try:
        info = await site.bus.jetstream.consumer_info(streams.FORWARDS, f"forwards-{site.destination}")
    except NotFoundError:  # not yet
        return 0
    return info.delivered.consumer_seq if info.delivered else 0


async def test_a_message_that_nobody_understands_stays_and_holds_up_no_other(site: Site) -> None:
    subject = subjects.forward(site.destination, site.inbox, "1.2.3")
    await site.bus.jetstream.publish(subject, b"of another version")
    taken = site.employ()
    async with site.forwarding():
        await site.announce(site.ref(1))
        assert await taken.next() == uids(site.ref(1))
    assert await is_pending(site.bus, site.inbox, "1.2.3")


async def test_what_waits_for_an_origin_that_is_gone_becomes_dead_letters(site: Site) -> None:
    """It would wait for ever, and keep its study in the inbox for as long; nobody would hear of it."""
    gone = Site(site.bus, site.blobs, site.inbox)
    waiting = Forwarding(uuid4().hex, site.inbox, gone.study, gone.destination, (gone.ref(1),), 1.0)
    await enqueue(site.bus, waiting)
    await enqueue(site.bus, replace(waiting, id=uuid4().hex, blobs=(gone.ref(2),)))
    async with gone.forwarding():
        await until(lambda: tried(gone))
    async with site.forwarding():
        assert not await is_pending(site.bus, gone.inbox, gone.study)
    letters = await gone.dead()
    assert [uids(*buried.forwarding.blobs) for buried in letters] == [uids(gone.ref(1)), uids(gone.ref(2))]
    assert {buried.letter.reason for buried in letters} == {"no origin has this name any more"}
    assert not await is_wanted(site.bus, letters[0].letter)
    # It is back, and takes them.
    taken = gone.employ()
    got: set[tuple[str, ...]] = set()
    try:
        async with gone.forwarding():
            await until(lambda: is_wanted(site.bus, letters[0].letter))
            for buried in letters:
                await replay(site.bus, buried)
            # The store job of the first may still be queued: who asked for it ended before taking it back.
            while len(got) < len(letters):
                got.add(tuple(await taken.next()))
    finally:
        await gone.dismiss()
    assert got == {tuple(uids(gone.ref(1))), tuple(uids(gone.ref(2)))}


async def tried(site: Site) -> bool:
    """Tell whether something in the queue was looked at."""
    try:
        info = await site.bus.jetstream.consumer_info(streams.FORWARDS, consumer_name(site.destination))
    except NotFoundError:  # not yet
        return False
    return bool(info.delivered and info.delivered.consumer_seq)


async def buried(site: Site) -> list[Buried]:
    return [one async for one in letters(site.bus, site.destination)]


async def test_what_no_service_of_ours_has_put_there_is_not_sent_on_and_not_lost(
    site: Site, nats_settings: Nats
) -> None:
    thief = await Bus.connect(nats_settings, "thief")
    site.bus.gate = Gate(Grants("k" * 32, "arrivals"), Policy((), [site.destination]))
    waiting = Forwarding(uuid4().hex, site.inbox, site.study, site.destination, (site.ref(1),), 1.0)
    await enqueue(thief, waiting)
    await thief.close()
    taken = site.employ()
    async with site.forwarding():
        (letter,) = await until(lambda: buried(site))
        assert letter.letter.reason == "not signed by a service of ours, or with another signing key"
        assert letter.forwarding == waiting
        assert not taken.jobs
        await replay(site.bus, letter)
        assert await taken.next() == uids(site.ref(1))
        await site.done()


async def test_what_is_replayed_has_not_waited_since_it_was_given_up(site: Site) -> None:
    waiting = Forwarding(uuid4().hex, site.inbox, site.study, site.destination, (site.ref(1),), 1.0)
    letter = DeadLetter("forward", site.destination, "A700", 3, 1.0, 2.0, encode(waiting))
    await bury(site.bus, letter, waiting.id)
    began = time.time()
    (given_up,) = await buried(site)
    await replay(site.bus, given_up)
    subject = subjects.forward(site.destination, site.inbox, site.study)
    message = await site.bus.jetstream.get_last_msg(streams.FORWARDS, subject)
    assert float((message.headers or {})[SINCE]) >= began


async def test_what_was_acknowledged_is_sent_on_whatever_its_sender_may_by_then(site: Site) -> None:
    site.bus.gate = Gate(Grants("k" * 32, "scp"), Policy((), [site.destination]))
    waiting = Forwarding(uuid4().hex, site.inbox, site.study, site.destination, (site.ref(1),), 1.0)
    with acting_as(Principal(Kind.AE_TITLE, "CT1", ae_title="CT1"), Right.STORE):
        await enqueue(site.bus, waiting)
    nobody = Rule.model_validate({"user": "alice", "operations": ["search"]})
    site.bus.gate = Gate(Grants("k" * 32, "arrivals"), Policy([nobody], [site.destination]))
    taken = site.employ()
    async with site.forwarding():
        assert await taken.next() == uids(site.ref(1))
        await site.done()
