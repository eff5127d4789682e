"""What the users of the shipped configuration may do on a real server, and what is closed to them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from isthmus.cli.embedded import EmbeddedNats
from isthmus.cli.embedded.nats_conf import NatsUser, SubscriberUser
from isthmus.common.bus import Bus, accounts, client, streams
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable
from tests.common.bus.users import HEARD, NAMES, PUBLISHED, User, connected_as
from tests.planted import plant
from tests.servers import started

MINE = SubscriberUser.of("mine", "MINE_PASSWORD")
OTHER = SubscriberUser.of("other", "OTHER_PASSWORD")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    """The embedded server, which has the users of the shipped configuration."""
    subscribers: Mapping[NatsUser, str] = {MINE: "of mine", OTHER: "of the other"}
    with started(EmbeddedNats(tmp_path_factory.mktemp("nats"), subscribers)) as server:
        yield server


def user(server: EmbeddedNats, name: str) -> AbstractAsyncContextManager[User]:
    """Connect as one of its users."""
    return connected_as(server.url, name, server.password_of(name))


async def test_who_is_not_known_hears_that_it_is_his_user_or_password(
    server: EmbeddedNats, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", 0.7)
    for wrong in ({"user": "qido", "password": plant("a password of another")}, {}):
        with pytest.raises(BusUnavailable, match="it refuses us: nats"):
            await Bus.connect(Nats.model_validate({"url": server.url, **wrong}), "qido")
    assert "it refuses us" in capsys.readouterr().out


@pytest.fixture
async def declared(server: EmbeddedNats) -> AsyncIterator[Bus]:
    bus = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
    yield bus
    await bus.close()


@pytest.mark.parametrize("name", [*NAMES, MINE.name])
async def test_a_user_publishes_and_hears_what_its_work_needs_and_no_more(
    server: EmbeddedNats, declared: Bus, name: str
) -> None:
    async with user(server, name) as one:
        published = {subject for subject in PUBLISHED if await one.may_publish(subject)}
        heard = {subject for subject in HEARD if await one.may_subscribe(subject)}
        assert await one.may_subscribe(f"_INBOX_{name}.mine.>")
        others = [other for other in NAMES if other != name]
        assert not [other for other in others if await one.may_subscribe(f"_INBOX_{other}.>")]
    assert published == {subject for subject, names in PUBLISHED.items() if name in names}
    assert heard == {subject for subject, names in HEARD.items() if name in names}


@pytest.mark.parametrize("name", NAMES)
async def test_each_service_begins_with_its_own_user(server: EmbeddedNats, name: str) -> None:
    settings = Nats(url=server.url, user=name, password=server.password_of(name))
    bus = await Bus.connect(settings, name)
    assert bus.connected
    await bus.close()


async def test_the_password_of_one_opens_no_other(server: EmbeddedNats) -> None:
    host, port = server.url.removeprefix("nats://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    await reader.readline()
    login = json.dumps({"user": "isthmus", "pass": server.password_of("qido"), "verbose": False})
    writer.write(f"CONNECT {login}\r\nPING\r\n".encode())
    assert await reader.readline() == b"-ERR 'Authorization Violation'\r\n"
    writer.close()
    await writer.wait_closed()


async def test_a_subscriber_makes_no_consumer_and_takes_nothing_of_another_ones(
    server: EmbeddedNats, declared: Bus
) -> None:
    async with user(server, "mine") as one:
        for call in ("INFO", "DELETE", "MSG.NEXT"):
            for name in ("mine", "other"):
                assert not await one.may_publish(f"$JS.API.CONSUMER.{call}.EVENTS.{name}")
            assert not await one.may_publish(f"{accounts.SUBSCRIBER_API}.CONSUMER.{call}.EVENTS.other")
        assert not await one.may_publish(
            "$JS.API.CONSUMER.CREATE.EVENTS.mine.dicom.events.study.arrived.inbox"
        )
        assert not await one.may_publish("$JS.ACK.EVENTS.other.1.1.1.1.1")


async def test_a_service_that_may_not_change_streams_waits_for_who_may(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server:
        everything = Nats(url=server.url, user=server.user, password=server.password)
        bus = await Bus.connect(everything, "test")
        older = (await bus.jetstream.stream_info(f"KV_{streams.READS_BUCKET}")).config
        await bus.jetstream.update_stream(older.evolve(max_age=60 * 86_400.0))
        qido = Nats(url=server.url, user="qido", password=server.password_of("qido"))
        waiting = asyncio.create_task(Bus.connect(qido, "qido"))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        arrivals = Nats(url=server.url, user="arrivals", password=server.password_of("arrivals"))
        for one in (await Bus.connect(arrivals, "arrivals"), await waiting, bus):
            await one.close()


def test_what_is_refused_is_told_without_a_study() -> None:
    told = 'nats: permissions violation for publish to "$JS.API.DIRECT.GET.KV_GUARDS.$KV.GUARDS.pacs.1=2=840"'
    assert accounts.refused(told) == "$js.api.direct.get.kv_guards"
    assert (
        accounts.refused('nats: Permissions Violation for Subscription to "dicom.ahead.pacs.1=2"')
        == "dicom.ahead"
    )
    assert accounts.refused("nats: something else") is None
