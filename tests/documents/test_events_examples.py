"""The examples of docs/events.md, taken from the page as they are, against a server of their own."""

import argparse
import asyncio
import hashlib
import json
import re
import shlex
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import nats
import nats.errors
import pytest
from nats.aio.client import Client

from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.blobs import BlobStore, inbox_key
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import EVENTS
from isthmus.common.config.settings import S3, Nats
from isthmus.common.messages.cloud_events import to_json
from isthmus.common.messages.events import Blob, EventType, InstanceBlob
from tests.common.bus.server import Server
from tests.documents.asyncapi import check, check_manifest
from tests.documents.sample_events import instance, study

PAGE: Final = Path(__file__).parents[2] / "docs" / "events.md"
EXAMPLES: Final = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
NANOSECONDS: Final = 10**9
UNITS: Final = {"s": 1, "m": 60, "h": 3600}


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
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.push_async_callback(kill, process)
        return process

    async def run(self, name: str, *arguments: str, given: bytes = b"") -> list[str]:
        """Run an example to its end, and give what it printed."""
        process = await self.start(name, *arguments)
        async with asyncio.timeout(30):
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
    async with asyncio.timeout(30):
        return [(await process.stdout.readline()).decode().rstrip("\n") for _ in range(count)]


async def waiting(bus: Bus, count: int, name: str = "ai") -> None:
    """Wait until the consumer is there, and so many wait at it: 0 when NATS knows that one is gone."""
    async with asyncio.timeout(30):
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
    async with asyncio.timeout(30):
        while True:
            information = await bus.jetstream.consumer_info(EVENTS, "ai")
            if information.ack_floor and information.ack_floor.consumer_seq == count:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "nats").mkdir()
    own = Server(tmp_path / "nats")
    await own.start()
    yield own
    await own.stop()


@pytest.fixture
async def own_bus(server: Server) -> AsyncIterator[Bus]:
    connection = await Bus.connect(server.settings, "test")
    yield connection
    await connection.close()


@pytest.fixture
async def user(tmp_path: Path, server: Server) -> AsyncIterator[User]:
    async with User(tmp_path / "user", server.settings) as one:
        yield one


def test_every_example_of_the_page_is_run_here() -> None:
    run = {"subscribe.py", "replay.py", "images.py", "durable", "yesterday", "nats.conf"}
    assert set(EXAMPLES) == run
    assert PAGE.read_text().count("```") == 2 * len(run)


async def test_a_subscriber_that_was_killed_gets_the_1000_events_that_it_missed_in_order(
    own_bus: Bus, user: User
) -> None:
    subscriber = await user.start("subscribe.py")
    uids = await publish(own_bus, 1, 3)
    assert await lines(subscriber, 3) == printed(uids)
    await kill(subscriber)
    await waiting(own_bus, 0)
    missed = await publish(own_bus, 4, 1003)
    assert await lines(await user.start("subscribe.py"), 1000) == printed(missed)


async def test_only_studies_come_and_none_of_our_own_messages(own_bus: Bus, user: User) -> None:
    await publish_event(own_bus, instance("inbox"))
    await own_bus.jetstream.publish(subjects.told("inbox", "2.25.1"), b"\x80")
    uids = await publish(own_bus, 1, 1)
    assert await lines(await user.start("subscribe.py"), 1) == printed(uids)


async def test_a_study_that_comes_again_changes_nothing(own_bus: Bus, user: User) -> None:
    (uid,) = await publish(own_bus, 1, 1)
    subscriber = await user.start("subscribe.py")
    assert await lines(subscriber, 1) == printed([uid])
    await kill(subscriber)
    await waiting(own_bus, 0)
    again = study("inbox", uid=uid)
    await own_bus.jetstream.publish(  # as a crash of ours may, when NATS no longer knows the first one's id
        subjects.event(again.type, "inbox"), to_json(again), headers={"Nats-Msg-Id": "forgotten"}
    )
    assert await lines(await user.start("subscribe.py"), 1) == printed([uid], "repeated")
    with sqlite3.connect(user.folder / "handled.db") as database:
        assert database.execute("SELECT study, revision FROM handled").fetchall() == [(uid, 1)]
    database.close()


async def test_what_a_subscriber_did_not_acknowledge_comes_again(own_bus: Bus, user: User) -> None:
    first = await user.start("subscribe.py")
    await waiting(own_bus, 1)
    await kill(first)
    await waiting(own_bus, 0)
    uids = await publish(own_bus, 1, 2)
    subscription = await own_bus.jetstream.pull_subscribe_bind("ai", EVENTS)
    (taken,) = await subscription.fetch(1, timeout=5)
    assert json.loads(taken.data)["subject"] == uids[0]
    await taken.nak()  # as the time of one that was killed at work is over
    assert sorted(await lines(await user.start("subscribe.py"), 2)) == printed(uids)


async def test_two_that_run_at_once_share_the_work(own_bus: Bus, user: User) -> None:
    both = [await user.start("subscribe.py") for _ in range(2)]
    await waiting(own_bus, 2)
    uids = await publish(own_bus, 1, 200)
    shares = [asyncio.create_task(lines(one, 200)) for one in both]
    await acknowledged(own_bus, 200)
    for one in both:
        one.terminate()
    shared = [[line for line in share if line] for share in await asyncio.gather(*shares)]
    assert all(shared)
    assert sorted(shared[0] + shared[1]) == sorted(printed(uids))


async def test_a_subscriber_goes_on_when_nats_was_away(server: Server, own_bus: Bus, user: User) -> None:
    subscriber = await user.start("subscribe.py")
    uids = await publish(own_bus, 1, 1)
    assert await lines(subscriber, 1) == printed(uids)
    await server.kill()
    await server.start()
    publisher = await Bus.connect(server.settings, "test")
    missed = await publish(publisher, 2, 3)
    assert await lines(subscriber, 2) == printed(missed)
    await publisher.close()


async def test_what_came_since_yesterday_is_replayed(own_bus: Bus, user: User) -> None:
    assert await user.run("replay.py") == []
    uids = await publish(own_bus, 1, 3)
    seen = await user.run("replay.py")
    for line in seen:
        check(line.encode())
    assert [json.loads(line)["subject"] for line in seen] == uids


async def test_what_came_since_a_time_is_replayed(own_bus: Bus, user: User) -> None:
    await publish(own_bus, 1, 2)
    newest = await own_bus.jetstream.get_last_msg(EVENTS, subjects.events())
    assert isinstance(newest.time, datetime)
    uids = await publish(own_bus, 3, 4)
    seen = await user.run("replay.py", newest.time.isoformat())
    assert [json.loads(line)["subject"] for line in seen] == ["2.25.2", *uids]


class Images:
    """A study of an inbox with so many images."""

    def __init__(self, blobs: BlobStore, origin: str) -> None:
        self._blobs = blobs
        self.origin = origin
        self.refs: list[InstanceBlob] = []

    async def put(self, number: int) -> None:
        content = f"image {number}".encode()
        digest = hashlib.sha256(content).hexdigest()
        key = inbox_key(self.origin, "2.25.1", "2.25.1.1", f"2.25.1.1.{number}", digest)
        await self._blobs.put(key, content)
        place = (self._blobs.bucket, key, len(content), "2.25.1.1", f"2.25.1.1.{number}")
        self.refs.append(InstanceBlob(*place, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", digest))

    async def event(self, *, in_manifest: bool) -> bytes:
        event = study(self.origin)
        if in_manifest:
            content = json.dumps(json.loads(to_json(self._event(tuple(self.refs))))["data"]["blobs"]).encode()
            check_manifest(content)
            await self._blobs.put(f"contents/{self.origin}/list.json", content)
            where = Blob(self._blobs.bucket, f"contents/{self.origin}/list.json", len(content))
            return to_json(replace(event, data=replace(event.data, blobs=None, manifest=where)))
        return to_json(self._event(tuple(self.refs)))

    def _event(self, refs: tuple[InstanceBlob, ...]) -> Any:  # noqa: ANN401
        event = study(self.origin)
        return replace(event, data=replace(event.data, blobs=refs))


@pytest.mark.parametrize("in_manifest", [False, True])
async def test_the_images_of_an_event_are_read(
    tmp_path: Path,
    nats_settings: Nats,
    s3_settings: S3,
    blobs: BlobStore,
    origin_name: str,
    in_manifest: bool,
) -> None:
    images = Images(blobs, origin_name)
    for number in (1, 2, 3):
        await images.put(number)
    await blobs.delete(images.refs[1].key)
    event = await images.event(in_manifest=in_manifest)
    check(event)
    async with User(tmp_path, nats_settings, s3_settings) as one:
        said = await one.run("images.py", given=event)
    assert said == ["2.25.1.1.1 saved", "2.25.1.1.2 was deleted meanwhile", "2.25.1.1.3 saved"]
    saved = [tmp_path / f"{images.refs[place].digest}.dcm" for place in (0, 2)]
    assert [path.read_bytes() for path in saved] == [b"image 1", b"image 3"]


def seconds(text: str) -> int:
    """Read a duration as the nats program does."""
    return int(text[:-1]) * UNITS[text[-1]]


class NatsProgram:
    """What the nats program asks of the server, as its --trace shows it (0.3.0)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._jetstream = client.jetstream()

    async def run(self, line: str) -> list[bytes]:
        """Do what a line of the page says, and give what it prints of events."""
        options = argparse.ArgumentParser(exit_on_error=False)
        for name in ("what", "action", "stream", "name"):
            options.add_argument(name)
        for name in ("--filter", "--deliver", "--ack", "--wait", "--inactive-threshold"):
            options.add_argument(name)
        options.add_argument("--count", type=int)
        for name in ("--pull", "--raw", "--defaults"):
            options.add_argument(name, action="store_true")
        program, *arguments = shlex.split(line)
        asked = options.parse_args(arguments)
        assert (program, asked.what, asked.stream) == ("nats", "consumer", EVENTS)
        if asked.action == "add":
            await self._add(asked)
        elif asked.action == "next":
            return await self._next(asked)
        else:
            assert asked.action == "info"
            await self._ask(f"CONSUMER.INFO.{asked.stream}.{asked.name}", None)
        return []

    async def _add(self, asked: argparse.Namespace) -> None:
        config: dict[str, object] = {
            "name": asked.name,
            "durable_name": asked.name,
            "filter_subject": asked.filter,
            "ack_policy": asked.ack,
            "deliver_policy": "all" if asked.deliver == "all" else "by_start_time",
        }
        if asked.deliver != "all":
            config["opt_start_time"] = (
                datetime.fromtimestamp(datetime.now().timestamp() - seconds(asked.deliver))
                .astimezone()
                .isoformat()
            )
        if asked.wait:
            config["ack_wait"] = seconds(asked.wait) * NANOSECONDS
        if asked.inactive_threshold:
            config["inactive_threshold"] = seconds(asked.inactive_threshold) * NANOSECONDS
        subject = f"CONSUMER.CREATE.{asked.stream}.{asked.name}.{asked.filter}"
        await self._ask(subject, {"stream_name": asked.stream, "config": config, "action": ""})

    async def _next(self, asked: argparse.Namespace) -> list[bytes]:
        given: list[bytes] = []
        reply = self._client.new_inbox()
        answers = await self._client.subscribe(reply)
        for _ in range(asked.count):
            request = json.dumps({"expires": NANOSECONDS // 2, "batch": 1}).encode()
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{asked.stream}.{asked.name}"
            await self._client.publish(subject, request, reply)
            message = await answers.next_msg(5)
            if message.headers and message.headers.get("Status"):
                break  # no more now
            given.append(message.data)
            await self._client.publish(message.reply, b"+ACK")
        await answers.unsubscribe()
        return given

    async def _ask(self, call: str, request: object) -> None:
        data = b"" if request is None else json.dumps(request).encode()
        answer = json.loads((await self._client.request(f"$JS.API.{call}", data, 5)).data)
        assert "error" not in answer, answer


@pytest.mark.parametrize("name", ["durable", "yesterday"])
async def test_the_lines_for_the_nats_program_give_what_came(own_bus: Bus, name: str) -> None:
    uids = await publish(own_bus, 1, 3)
    await publish_event(own_bus, instance("inbox"))
    program = NatsProgram(own_bus.client)
    given = [event for line in EXAMPLES[name].splitlines() for event in await program.run(line)]
    assert [json.loads(event)["subject"] for event in given] == uids


class Restricted(Server):
    """A server with the users of the page."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._server = _Configured(directory)


class _Configured(EmbeddedNats):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.password = "everything"

    def prepare(self) -> None:
        super().prepare()
        file = self.directory / "nats.conf"
        kept = [line for line in file.read_text().splitlines() if not line.startswith("authorization")]
        file.write_text("\n".join([*kept, EXAMPLES["nats.conf"]]))


async def test_a_subscriber_may_read_its_events_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_PASSWORD", "everything")
    monkeypatch.setenv("AI_PASSWORD", "little")
    server = Restricted(tmp_path)
    await server.start()
    bus = await Bus.connect(server.settings, "test")
    refused: asyncio.Queue[str] = asyncio.Queue()

    async def take_note(error: Exception) -> None:
        refused.put_nowait(str(error))

    subscriber = await nats.connect(
        server.settings.url, user="ai", password="little", inbox_prefix="_INBOX_ai", error_cb=take_note
    )
    try:
        await NatsProgram(bus.client).run(EXAMPLES["durable"].splitlines()[0])
        uids = await publish(bus, 1, 2)
        mine = await subscriber.jetstream().pull_subscribe_bind("ai", EVENTS)
        for uid in uids:
            (message,) = await mine.fetch(1, timeout=5)
            assert json.loads(message.data)["subject"] == uid
            await message.ack_sync()
        assert (await mine.consumer_info()).num_ack_pending == 0

        for subject in ("dicom.events.>", "dicom.told.>", "_INBOX.>", ">", "$KV.INBOXES.>"):
            await subscriber.subscribe(subject)
            await subscriber.flush()
            assert "permissions violation for subscription" in (await refused.get()).lower()
        for subject in (
            "dicom.events.study.arrived.inbox",
            "$JS.API.CONSUMER.CREATE.EVENTS",
            "$JS.API.CONSUMER.MSG.NEXT.EVENTS.other",
            "$JS.API.STREAM.PURGE.EVENTS",
            "$JS.API.DIRECT.GET.EVENTS",
        ):
            await subscriber.publish(subject, b"{}")
            await subscriber.flush()
            assert "permissions violation for publish" in (await refused.get()).lower()
    finally:
        await subscriber.close()
        await bus.close()
        await server.stop()
