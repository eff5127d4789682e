"""The connection under the bus: what nats-py's own does otherwise."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from nats.aio.msg import Msg

from isthmus.common.bus import Bus
from isthmus.common.config.settings import Nats
from tests.waiting import PATIENCE


@asynccontextmanager
async def overheard(settings: Nats) -> AsyncIterator[tuple[Nats, bytearray]]:
    """Give a way to the server, and what clients say on it."""
    said = bytearray()
    port = urlsplit(settings.url).port
    ways: list[asyncio.Task[None]] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: bytearray) -> None:
        while data := await reader.read(1 << 16):
            copy += data
            writer.write(data)
        writer.close()

    async def way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        ways.append(asyncio.create_task(pass_on(reader, to_server, said)))
        ways.append(asyncio.create_task(pass_on(from_server, writer, bytearray())))

    async with await asyncio.start_server(way, "127.0.0.1", 0) as server:
        there = server.sockets[0].getsockname()[1]
        yield settings.model_copy(update={"url": f"nats://127.0.0.1:{there}"}), said
    await asyncio.gather(*ways)


async def test_a_flush_is_answered_behind_what_was_said_before(nats_settings: Nats) -> None:
    """Who serves a subject is heard of when `subscribe` returns, and who drains one is sent nothing more."""

    async def handle(_: Msg) -> None: ...

    async with overheard(nats_settings) as (settings, said):
        bus = await Bus.connect(settings, "test")
        said.clear()
        serving = await bus.subscribe("a.subject", "", handle)
        assert said.startswith(b"SUB a.subject") or b"\r\nSUB a.subject" in said
        assert said.endswith(b"PING\r\n")
        await serving.finish()
        assert b"UNSUB" in said
        assert said.endswith(b"PING\r\n")
        await bus.close()


async def test_who_gives_up_a_flush_leaves_the_connection_alone(bus: Bus) -> None:
    flushing = asyncio.create_task(bus.client.flush())
    await asyncio.sleep(0)
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    for _ in range(2):  # the first answer may come in one piece with that to the flush
        assert (await bus.client.request("$JS.API.INFO", timeout=8)).data


async def test_who_takes_no_more_takes_what_was_sent_already(
    bus: Bus, nats_settings: Nats, origin_name: str
) -> None:
    taken = asyncio.Event()

    async def handle(_: Msg) -> None:
        taken.set()

    async def send() -> None:
        elsewhere = await Bus.connect(nats_settings, "elsewhere")
        await elsewhere.client.publish(origin_name, b"")
        await elsewhere.client.flush()
        await elsewhere.close()

    serving = await bus.subscribe(origin_name, "", handle)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, send()).result()  # our loop waits too: what came lies unread
    await serving.unsubscribe()
    async with asyncio.timeout(PATIENCE):
        await taken.wait()
