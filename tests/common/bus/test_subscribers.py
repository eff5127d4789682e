"""What a subscriber gets, and that nothing it may ask on leads anywhere but to itself, on a real server."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import product

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.cli.embedded import EmbeddedNats
from isthmus.cli.embedded.nats_conf import NatsUser, SubscriberUser
from isthmus.common.bus import Bus, accounts, subjects
from isthmus.common.bus.streams import EVENTS, NAMES
from isthmus.common.bus.subscribers import Subscription, keep, rewind
from isthmus.common.config.settings import Nats
from tests.servers import started

AI = Subscription("ai", (subjects.events("study.arrived", "inbox"),))
OTHER = Subscription("other", (subjects.events(),))
USERS: Mapping[NatsUser, str] = {
    SubscriberUser.of(name, f"{name.upper()}_PASSWORD"): f"of {name}" for name in ("ai", "other")
}
API = "$JS.API"
ASKED = (
    f"{accounts.SUBSCRIBER_API}.CONSUMER.INFO.EVENTS.ai",
    f"{accounts.SUBSCRIBER_API}.CONSUMER.MSG.NEXT.EVENTS.ai",
    "$JS.ACK.EVENTS.ai.1.1.1.1.1",
)
PAYLOADS = (
    b"",
    b'{"no_wait": true}',
    b'{"batch": 3, "no_wait": true}',
    b'{"no_wait": true, "max_bytes": 1}',
    b"no JSON",
    b'+NXT {"batch": 2, "no_wait": true}',
    b"+NXT",
    b"+ACK",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    with started(EmbeddedNats(tmp_path_factory.mktemp("nats"), USERS)) as server:
        yield server


@pytest.fixture
async def bus(server: EmbeddedNats) -> AsyncIterator[Bus]:
    """That of the operator; with the streams, and no consumer or event of another test."""
    bus = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
    for info in await bus.jetstream.consumers_info(EVENTS):
        await bus.jetstream.delete_consumer(EVENTS, info.name)
    await bus.jetstream.purge_stream(EVENTS)
    yield bus
    await bus.close()


async def _ignored(_: Exception) -> None:
    """The server refuses some of it."""


@asynccontextmanager
async def subscriber(server: EmbeddedNats, name: str = "ai") -> AsyncIterator[Client]:
    client = await nats.connect(
        server.url,
        user=name,
        password=server.password_of(name),
        inbox_prefix=accounts.inbox_prefix(name),
        error_cb=_ignored,
    )
    try:
        yield client
    finally:
        await client.close()


async def publish(bus: Bus, *texts: str, origin: str = "inbox", kind: str = "study.arrived") -> None:
    for text in texts:
        await bus.jetstream.publish(subjects.event(kind, origin), text.encode())


async def taken(client: Client, count: int, name: str = "ai", *, acknowledge: bool = True) -> list[str]:
    """Take so many events, and see that there are no more."""
    pull = await client.jetstream(prefix=accounts.SUBSCRIBER_API).pull_subscribe_bind(name, EVENTS)
    found: list[Msg] = []
    while len(found) < count:
        found += await pull.fetch(count - len(found), timeout=5)
    if acknowledge:
        for message in found:
            await message.ack_sync()
    assert (await pull.consumer_info()).num_pending == 0
    await pull.unsubscribe()
    return [message.data.decode() for message in found]


def harmful(name: str) -> Sequence[str]:
    """What changes or reads a stream, as far as its body does not matter."""
    verbs = ("DELETE", "PURGE", "INFO", "MSG.GET", "MSG.DELETE", "CREATE", "UPDATE", "SNAPSHOT", "RESTORE")
    return (*(f"{API}.STREAM.{verb}.{name}" for verb in verbs), f"{API}.CONSUMER.DELETE.{name}.other")


async def state(jetstream: JetStreamContext) -> object:
    """All that there is: streams with what is in them, and their consumers."""
    streams = [await jetstream.stream_info(name) for name in sorted(NAMES)]
    others = [info.config.name for info in await jetstream.streams_info() if info.config.name not in NAMES]
    consumers = {info.name: info.config for info in await jetstream.consumers_info(EVENTS)}
    found = [(one.config, one.state.messages, one.state.first_seq, one.state.last_seq) for one in streams]
    return found, others, consumers


async def test_no_reply_subject_leads_out_of_the_account_of_a_subscriber(
    server: EmbeddedNats, bus: Bus
) -> None:
    await keep(bus, [AI, OTHER])
    await publish(bus, *(json.dumps({"name": f"SPY{number}", "seq": 1}) for number in range(5)))
    await bus.jetstream.publish(subjects.store("pacs"), b"a job")
    worker = await bus.jetstream.pull_subscribe(subjects.store("pacs"), "worker", "STORES")
    (job,) = await worker.fetch(1)
    before = await state(bus.jetstream)
    heard = await bus.client.subscribe("dicom.>")
    async with subscriber(server) as thief:
        replies = [subject for name in NAMES for subject in harmful(name)]
        replies += [
            f"{API}.STREAM.CREATE.SPY",
            "dicom.events.study.arrived.inbox",
            "dicom.store.pacs",
            job.reply,
        ]
        for asked, reply, payload in product(ASKED, replies, PAYLOADS):
            await thief.publish(asked, payload, reply)
        for asked, reply in product(ASKED, replies):
            await thief.publish(asked, b"", headers={"Nats-Trace-Dest": reply, "Reply-To": reply})
        await thief.flush()
        await thief.request(ASKED[0], b"", timeout=10)  # all before it is done
    assert await state(bus.jetstream) == before
    assert (await worker.consumer_info()).num_ack_pending == 1
    assert not heard.pending_msgs


async def test_a_subscriber_takes_the_events_of_its_filters_and_acknowledges_them(
    server: EmbeddedNats, bus: Bus
) -> None:
    await keep(bus, [AI, OTHER])
    await publish(bus, "first")
    await publish(bus, "elsewhere", origin="elsewhere")
    await publish(bus, "an instance", kind="instance.stored")
    await publish(bus, "second")
    async with subscriber(server) as ai, subscriber(server, "other") as other:
        assert await taken(ai, 2) == ["first", "second"]
        assert await taken(other, 4, "other") == ["first", "elsewhere", "an instance", "second"]


async def test_its_consumer_stays_as_it_is_where_the_settings_do(server: EmbeddedNats, bus: Bus) -> None:
    await keep(bus, [AI])
    made = (await bus.jetstream.consumer_info(EVENTS, "ai")).created
    await keep(bus, [AI])
    assert (await bus.jetstream.consumer_info(EVENTS, "ai")).created == made


async def test_other_filters_keep_the_place_and_give_nothing_that_it_may_not_have_any_more(
    server: EmbeddedNats, bus: Bus
) -> None:
    both = (subjects.events("study.arrived", "inbox"), subjects.events("study.arrived", "elsewhere"))
    await keep(bus, [Subscription("ai", both)])
    async with subscriber(server) as ai:
        await publish(bus, "done")
        assert await taken(ai, 1) == ["done"]
        await publish(bus, "of an inbox that it loses", origin="elsewhere")
        await publish(bus, "not acknowledged")
        await taken(ai, 2, acknowledge=False)
        await keep(bus, [AI])
        assert await taken(ai, 1) == ["not acknowledged"]
        await keep(bus, [Subscription("ai", both)])
        await publish(bus, "new", origin="elsewhere")
        assert await taken(ai, 1) == ["new"]


async def test_who_is_a_subscriber_no_more_has_no_consumer_and_those_of_others_stay(bus: Bus) -> None:
    await bus.jetstream.add_consumer(EVENTS, ConsumerConfig(name="mine", durable_name="mine"))
    await keep(bus, [AI, OTHER])
    await keep(bus, [AI])
    assert {info.name for info in await bus.jetstream.consumers_info(EVENTS)} == {"ai", "mine"}


async def test_a_consumer_that_a_subscriber_has_made_itself_becomes_ours_where_it_was(
    server: EmbeddedNats, bus: Bus
) -> None:
    theirs = ConsumerConfig(durable_name="ai", ack_policy=AckPolicy.EXPLICIT, deliver_subject="$JS.API.INFO")
    await publish(bus, "first", "second")
    await bus.jetstream.add_consumer(EVENTS, theirs)
    await keep(bus, [AI])
    assert (await bus.jetstream.consumer_info(EVENTS, "ai")).config.deliver_subject is None
    async with subscriber(server) as ai:
        assert await taken(ai, 2) == ["first", "second"]


async def test_one_that_is_rewound_gets_again_what_came_since(server: EmbeddedNats, bus: Bus) -> None:
    await keep(bus, [AI])
    await publish(bus, "first", "second")
    newest = await bus.jetstream.get_last_msg(EVENTS, subjects.events())
    assert isinstance(newest.time, datetime)
    await publish(bus, "third")
    async with subscriber(server) as ai:
        assert await taken(ai, 3) == ["first", "second", "third"]
        assert await rewind(bus, "ai", newest.time)
        await keep(bus, [AI])
        assert await taken(ai, 2) == ["second", "third"]


async def test_one_is_not_sent_past_what_it_has_not_acknowledged(server: EmbeddedNats, bus: Bus) -> None:
    await keep(bus, [AI])
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert await rewind(bus, "ai", in_an_hour) is False  # something may come before it is there again
    await publish(bus, "not taken")
    assert await rewind(bus, "ai", in_an_hour) is False
    async with subscriber(server) as ai:
        assert await taken(ai, 1) == ["not taken"]


async def test_only_a_subscriber_is_rewound(bus: Bus) -> None:
    await bus.jetstream.add_consumer(EVENTS, ConsumerConfig(name="arrivals", durable_name="arrivals"))
    for name in ("nobody", "arrivals"):
        assert await rewind(bus, name, datetime.now(UTC)) is None


async def test_arrivals_may_do_all_of_it_with_its_own_password(server: EmbeddedNats, bus: Bus) -> None:
    settings = Nats(url=server.url, user="arrivals", password=server.password_of("arrivals"))
    arrivals = await Bus.connect(settings, "arrivals")
    await keep(arrivals, [AI, OTHER])
    await keep(arrivals, [Subscription("ai", OTHER.filters)])
    assert [info.name for info in await bus.jetstream.consumers_info(EVENTS)] == ["ai"]
    await arrivals.close()
