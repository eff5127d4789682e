"""The examples of docs/events.md, taken from the page as they are, against a server of their own."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore, inbox_key
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import EVENTS
from isthmus.common.bus.subscribers import rewind
from isthmus.common.config.settings import S3, Nats
from isthmus.common.messages.cloud_events import to_json
from isthmus.common.messages.events import Blob, CloudEvent, InstanceBlob, StudyEvent
from tests.common.bus.server import Server
from tests.documents.asyncapi import check, check_manifest
from tests.documents.sample_events import instance, study
from tests.documents.subscribers import (
    EXAMPLES,
    PAGE,
    User,
    acknowledged,
    kill,
    lines,
    printed,
    publish,
    waiting,
)
from tests.waiting import PATIENCE


@pytest.fixture
async def user(tmp_path: Path, server: Server) -> AsyncIterator[User]:
    async with User(tmp_path / "user", server.settings) as one:
        yield one


def test_every_example_of_the_page_is_run_here() -> None:
    run = {"subscribe.py", "images.py", "durable", "yesterday", "isthmus.toml"}
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
    (taken,) = await subscription.fetch(1, timeout=PATIENCE)
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


async def test_a_subscriber_that_is_rewound_while_it_runs_gets_again_what_came_since(
    own_bus: Bus, user: User
) -> None:
    subscriber = await user.start("subscribe.py")
    first = await publish(own_bus, 1, 1)
    newest = await own_bus.jetstream.get_last_msg(EVENTS, subjects.events())
    assert isinstance(newest.time, datetime)
    later = await publish(own_bus, 2, 3)
    assert await lines(subscriber, 3) == printed(first + later)
    await acknowledged(own_bus, 3)
    assert await rewind(own_bus, "ai", newest.time + timedelta(microseconds=1))
    assert await lines(subscriber, 2) == printed(later, "repeated")


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

    def _event(self, refs: tuple[InstanceBlob, ...]) -> CloudEvent[StudyEvent]:
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
