"""The listening thread fails: the process does not live on as if it were ready."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress

from isthmus.common.config.settings import S3, Nats
from tests.peers import free_port
from tests.scp.process import environment
from tests.waiting import PATIENCE

FAILING = """
import sys
from isthmus.common.service import run
from isthmus.scp.listener import Listener
from isthmus.scp.worker import lifespan

def fails(self, listening):
    raise RuntimeError("a mistake")

Listener._accept = fails
sys.exit(run("scp", lifespan=lifespan))
"""


async def test_the_process_ends_with_a_failure(
    nats_settings: Nats, s3_settings: S3, origin_name: str
) -> None:
    port = free_port()
    scp = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FAILING),
        stdin=DEVNULL,
        stderr=PIPE,
        env={**os.environ, **environment(nats_settings, s3_settings, origin_name, port)},
    )
    assert scp.stderr is not None
    said = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while b'"started"' not in said:
                said += await scp.stderr.readuntil()
            with suppress(ConnectionResetError):  # it may end as soon as it hears of us
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
            said += await scp.stderr.read()
            assert await scp.wait() == 1
    finally:
        if scp.returncode is None:
            scp.kill()
            await scp.wait()
    assert b"the listener has ended" in said
    assert b"a mistake" not in said  # what an exception says may be anything
