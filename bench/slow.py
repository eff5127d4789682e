"""Connections that send a byte a second, and are made anew when they are closed."""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Final

SOURCE: Final = "127.0.0.2"
"""The address that they come from: another one than everybody else's."""
SECOND: Final = 1.0


async def _be_slow(host: str, port: int, begin: bytes, connected: asyncio.Semaphore) -> None:
    is_first = True
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port, local_addr=(SOURCE, 0))
            try:
                writer.write(begin)
                if is_first:
                    is_first = False
                    connected.release()
                while not reader.at_eof():
                    await asyncio.sleep(SECOND)
                    writer.write(b"1")
                    await writer.drain()
            finally:
                writer.close()
        await asyncio.sleep(SECOND)


async def _run(host: str, port: int, begins: list[str], count: int) -> None:
    """Say so when all are there, and go on until somebody ends us."""
    connected = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            begin = begins[number % len(begins)].encode()
            group.create_task(_be_slow(host, port, begin, connected))
        for _ in range(count):
            await connected.acquire()
        sys.stdout.write("ready\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_run(**json.loads(sys.stdin.readline())))
