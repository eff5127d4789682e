import asyncio
import stat
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
