import asyncio
import socket
import stat
from contextlib import suppress
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from isthmus.cli.embedded import EmbeddedNats
from isthmus.cli.embedded.nats_conf import SubscriberUser, standing_users
from isthmus.cli.process import StartError
from isthmus.common.bus import Bus, accounts
from isthmus.common.bus.accounts import ACCOUNT, SERVICES
from isthmus.common.bus.subscribers import Subscription, keep
from isthmus.common.config.settings import Nats

SUBSCRIBER = SubscriberUser.of("ai", "AI_PASSWORD")
WANTED = Subscription("ai", ("dicom.events.study.*.inbox",))


async def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "nats") as server:
        host, port = server.url.removeprefix("nats://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await reader.readline()
        writer.write(b'CONNECT {"user":"isthmus","pass":"wrong","verbose":false}\r\nPING\r\n')
        assert await reader.readline() == b"-ERR 'Authorization Violation'\r\n"
        writer.close()


async def test_no_password_is_in_a_file_or_an_argument(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "nats", {SUBSCRIBER: "of the subscriber"})
    server.directory.mkdir()
    server.prepare()
    written = "".join(file.read_text() for file in server.directory.iterdir())
    users = ("isthmus", *SERVICES, SUBSCRIBER.name)
    passwords = {server.password_of(name) for name in users}
    assert len(passwords) == len(users)
    assert not [password for password in passwords if password in written]
    assert not [password for password in passwords if password in " ".join(server.program.command)]
    assert stat.S_IMODE((server.directory / "nats.conf").stat().st_mode) == 0o600


async def test_a_subscriber_finds_it_again_after_a_restart_and_others_have_new_passwords(
    tmp_path: Path,
) -> None:
    password = 'with "quotes", \\, $SIGNS and blanks, \b\t\x7f, äöü'
    async with EmbeddedNats(tmp_path / "nats", {SUBSCRIBER: password}) as server:
        await declared(server)
        client = await nats.connect(
            server.url,
            user=SUBSCRIBER.name,
            password=password,
            inbox_prefix="_INBOX_ai",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.05,
        )
        jetstream = client.jetstream(prefix=accounts.SUBSCRIBER_API)
        before = {name: server.password_of(name) for name in ("isthmus", *SERVICES)}
    async with EmbeddedNats(tmp_path / "nats", {SUBSCRIBER: password}) as server:
        assert not [name for name, was in before.items() if server.password_of(name) == was]
        while True:  # until the client is back
            with suppress(nats.errors.Error, TimeoutError):
                assert (await jetstream.consumer_info("EVENTS", "ai", timeout=0.5)).name == "ai"
                break
        await client.close()
    assert stat.S_IMODE((tmp_path / "nats" / "access.json").stat().st_mode) == 0o600


async def test_where_its_port_is_taken_it_has_another_one(tmp_path: Path) -> None:
    before = EmbeddedNats(tmp_path / "nats")
    before.directory.mkdir()
    before.prepare()
    port = int(before.url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        after = EmbeddedNats(tmp_path / "nats")
    assert after.url != before.url


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"port": "no"}', b"\xff", b'{"port": 1, "password": "old"}']
)
def test_what_is_known_of_the_last_time_may_be_anything(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "access.json").write_bytes(content)
    server = EmbeddedNats(tmp_path)
    assert server.password != "old"
    assert not server.url.endswith(":1")


async def declared(server: EmbeddedNats) -> None:
    """Have the streams there, and the subscriber's consumer."""
    bus = await Bus.connect(operator(server), "test")
    await keep(bus, [WANTED])
    await bus.close()


async def test_what_was_published_is_there_after_a_restart(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "nats") as server:
        client = await nats.connect(server.url, user=server.user, password=server.password)
        jetstream = client.jetstream()
        with pytest.raises(NotFoundError):
            await jetstream.stream_info("THINGS")
        await jetstream.add_stream(name="THINGS", subjects=["things.>"])
        await jetstream.publish("things.one", b"1")
        await client.close()
    async with EmbeddedNats(tmp_path / "nats") as server:
        client = await nats.connect(server.url, user=server.user, password=server.password)
        message = await client.jetstream().get_last_msg("THINGS", "things.one")
        assert message.data == b"1"
        await client.close()


class Before(EmbeddedNats):
    """A server as an earlier version had it: all users in the default account."""

    def prepare(self) -> None:
        super().prepare()
        users = f'[{{ user: "{self.user}", password: ${standing_users()[0].variable} }}]'
        (self.directory / "nats.conf").write_text(
            f'listen: "{self.url.removeprefix("nats://")}"\n'
            f'jetstream {{ store_dir: "{self.directory / "store"}" }}\n'
            f"authorization {{ users: {users} }}\n"
        )


def operator(server: EmbeddedNats) -> Nats:
    return Nats(url=server.url, user=server.user, password=server.password)


async def test_what_an_earlier_version_has_kept_in_the_default_account_is_there_after_an_upgrade(
    tmp_path: Path,
) -> None:
    async with Before(tmp_path / "nats") as before:
        bus = await Bus.connect(operator(before), "test")
        await bus.jetstream.publish("dicom.store.pacs", b"a job")
        await bus.jetstream.publish("$KV.INBOXES.inbox.1=2", b"a record")
        for text in (b"taken", b"not taken"):
            await bus.jetstream.publish("dicom.events.study.arrived.inbox", text)
        consumer = ConsumerConfig(durable_name="ai", ack_policy=AckPolicy.EXPLICIT)
        await bus.jetstream.add_consumer("EVENTS", consumer)
        await (await (await bus.jetstream.pull_subscribe_bind("ai", "EVENTS")).fetch(1))[0].ack_sync()
        await bus.close()
    async with EmbeddedNats(tmp_path / "nats") as after:
        bus = await Bus.connect(operator(after), "test")
        assert (await bus.jetstream.get_last_msg("STORES", "dicom.store.pacs")).data == b"a job"
        assert (await (await bus.jetstream.key_value("INBOXES")).get("inbox.1=2")).value == b"a record"
        await keep(bus, [WANTED])
        (message,) = await (await bus.jetstream.pull_subscribe_bind("ai", "EVENTS")).fetch(1)
        assert message.data == b"not taken"
        await bus.close()


def test_of_streams_of_two_versions_none_is_left_behind_unseen(tmp_path: Path) -> None:
    for name in ("$G", ACCOUNT):
        (tmp_path / "store" / "jetstream" / name / "streams").mkdir(parents=True)
    with pytest.raises(StartError, match=r"\$G is of an earlier version, and .*ISTHMUS is there"):
        EmbeddedNats(tmp_path).prepare()
