"""The examples of docs/events.md, as somebody runs them who has found the page."""

import asyncio
import json
import os
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from isthmus.common.bus import Bus
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import EVENTS
from isthmus.common.config import Settings, load_settings
from isthmus.common.config.settings import S3, Nats
from isthmus.common.messages.cloud_events import to_json
from isthmus.common.messages.events import EventType
from tests import planted
from tests.documents.asyncapi import check
from tests.documents.sample_events import study
from tests.waiting import PATIENCE

PAGE: Final = Path(__file__).parents[2] / "docs" / "events.md"
EXAMPLES: Final = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
PASSWORD: Final = planted.secret("of-the-subscriber-")


def settings_of_page(folder: Path) -> Settings:
    """Give the page's settings, with the subscriber's password in a file of the folder."""
    (folder / "ai.password").write_text(PASSWORD)
    (folder / "isthmus.toml").write_text(
        EXAMPLES["isthmus.toml"].replace("/etc/isthmus/ai.password", str(folder / "ai.password"))
        + '[[origins]]\nname = "inbox"\nprotocol = "inbox"\nae_title = "INBOX"\n'
    )
    return load_settings(folder / "isthmus.toml")


class User:
    """Who has found the page, with a folder in which a system runs."""

    def __init__(self, folder: Path, settings: Nats, s3: S3 | None = None) -> None:
        self.folder = folder
        run = {"nats": settings.model_dump(), "s3": {} if s3 is None else s3.model_dump()}
        (folder / ".isthmus").mkdir(parents=True)
        (folder / ".isthmus" / "run.json").write_text(json.dumps(run))
        self._started = AsyncExitStack()

    async def __aenter__(self) -> "User":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._started.aclose()

    async def start(self, name: str, *arguments: str) -> asyncio.subprocess.Process:
        """Run an example until the end of the test."""
        script = self.folder / name
        script.write_text(EXAMPLES[name])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            script,
            *arguments,
            cwd=self.folder,
            env={**os.environ, "AI_PASSWORD": PASSWORD},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.push_async_callback(kill, process)
        return process

    async def run(self, name: str, *arguments: str, given: bytes = b"") -> list[str]:
        """Run an example to its end, and give what it printed."""
        process = await self.start(name, *arguments)
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(given)
        assert process.returncode == 0, err.decode()
        return out.decode().splitlines()


async def kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    """Wait for so many lines of an example."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return [(await process.stdout.readline()).decode().rstrip("\n") for _ in range(count)]


async def waiting(bus: Bus, count: int, name: str = "ai") -> None:
    """Wait until the consumer is there, and so many wait at it: 0 when NATS knows that one is gone."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = [one for one in await bus.jetstream.consumers_info(EVENTS) if one.name == name]
            if found and found[0].num_waiting == count:
                return
            await asyncio.sleep(0.02)


async def publish(bus: Bus, first: int, last: int) -> list[str]:
    """Publish the events of so many studies, and give their UIDs."""
    uids = [f"2.25.{number}" for number in range(first, last + 1)]
    for uid in uids:
        event = study("inbox", EventType.STUDY_ARRIVED, uid)
        check(to_json(event))
        assert await publish_event(bus, event)
    return uids


def printed(uids: list[str], what: str = "new") -> list[str]:
    """Give what the subscriber prints of those studies."""
    return [f"study.arrived {uid} 1 {what}" for uid in uids]


async def acknowledged(bus: Bus, count: int) -> None:
    """Wait until so many events are handled, and NATS knows it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            information = await bus.jetstream.consumer_info(EVENTS, "ai")
            if information.ack_floor and information.ack_floor.consumer_seq == count:
                return
            await asyncio.sleep(0.02)
