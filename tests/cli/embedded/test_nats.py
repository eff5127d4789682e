import asyncio
import socket
import stat
from contextlib import suppress
from pathlib import Path

import nats
import pytest
from nats.js.errors import NotFoundError

from isthmus.cli.embedded import EmbeddedNats


async def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "nats") as server:
        host, port = server.url.removeprefix("nats://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await reader.readline()
        writer.write(b'CONNECT {"user":"isthmus","pass":"wrong","verbose":false}\r\nPING\r\n')
        assert await reader.readline() == b"-ERR 'Authorization Violation'\r\n"
        writer.close()


async def test_the_password_is_in_a_private_file_and_not_in_the_arguments(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "nats")
    server.directory.mkdir()
    server.prepare()
    configuration = server.directory / "nats.conf"
    assert server.password in configuration.read_text()
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
    assert server.password not in " ".join(server.program.command)


async def test_a_subscriber_finds_it_again_after_a_restart(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path / "nats") as server:
        client = await nats.connect(
            server.url,
            user=server.user,
            password=server.password,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.05,
        )
        subscription = await client.subscribe("things.>")
        await client.flush()
    async with EmbeddedNats(tmp_path / "nats") as server:
        other = await nats.connect(server.url, user=server.user, password=server.password)
        while True:  # until the first one is back
            await other.publish("things.one", b"1")
            with suppress(TimeoutError):
                assert (await subscription.next_msg(timeout=0.05)).data == b"1"
                break
        await other.close()
        await client.close()
    assert stat.S_IMODE((tmp_path / "nats" / "access.json").stat().st_mode) == 0o600


async def test_where_its_port_is_taken_it_has_another_one(tmp_path: Path) -> None:
    before = EmbeddedNats(tmp_path / "nats")
    before.directory.mkdir()
    before.prepare()
    port = int(before.url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        after = EmbeddedNats(tmp_path / "nats")
    assert (after.url != before.url, after.password) == (True, before.password)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"port": 1, "password": ""}', b"\xff"])
def test_what_is_known_of_the_last_time_may_be_anything(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "access.json").write_bytes(content)
    server = EmbeddedNats(tmp_path)
    assert server.password
    assert not server.url.endswith(":1")


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
