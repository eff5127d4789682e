"""Lists that nobody names are deleted, and no others."""

import time
from dataclasses import replace

import pytest

from isthmus.arrivals.leftovers import DAY, leftovers, sweep
from isthmus.common.blobs import BlobStore, contents_key
from isthmus.common.blobs.keys import contents_prefix
from isthmus.common.bus import Bus
from isthmus.common.bus.streams import EVENTS_SECONDS, INBOXES_BUCKET
from isthmus.common.bus.subjects import token
from isthmus.common.config import Settings
from isthmus.common.errors import ContractError
from isthmus.common.inbox.contents import Contents, ContentsStore
from isthmus.common.inbox.state import Arrival, Removal, States, StudyState
from isthmus.common.service import Parts
from tests.waiting import until


async def a_list(blobs: BlobStore, origin: str, study: str) -> str:
    return await ContentsStore(blobs).save(origin, study, Contents())


async def keys(blobs: BlobStore, origin: str) -> set[str]:
    return {one.key async for one in blobs.list(contents_prefix(origin))}


@pytest.fixture
async def named(own_bus: Bus, blobs: BlobStore, origin_name: str) -> set[str]:
    """The lists that a study's record names: one for each reason to."""
    lists = [await a_list(blobs, origin_name, "1.2") for _ in range(3)]
    arrival = Arrival(announced=lists[1])
    removals = (Removal(1, 1, lists=(lists[2],)),)
    state = StudyState(origin_name, "1.2", contents=lists[0], arrival=arrival, removals=removals)
    assert await States(own_bus).put(state, 0) is not None
    return set(lists)


async def test_what_no_record_names_goes_after_a_day(
    own_bus: Bus, blobs: BlobStore, origin_name: str, named: set[str]
) -> None:
    left = {await a_list(blobs, origin_name, "1.2") for _ in range(2)}
    await sweep(own_bus, blobs, time.time() + DAY - 60)
    assert await keys(blobs, origin_name) == named | left
    assert await sweep(own_bus, blobs, time.time() + DAY + 60) >= len(left)
    assert await keys(blobs, origin_name) == named


async def test_of_a_study_that_was_deleted_no_list_stays(
    own_bus: Bus, blobs: BlobStore, origin_name: str, named: set[str]
) -> None:
    states = States(own_bus)
    found = await states.get(origin_name, "1.2")
    deleted = replace(found.state, contents=None, arrival=Arrival(), removals=())
    assert await states.put(deleted, found.revision) is not None
    assert await sweep(own_bus, blobs, time.time() + DAY + 60) >= len(named)
    assert await keys(blobs, origin_name) == set()


async def test_without_a_record_nobody_knows_what_is_needed(
    own_bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    key = await a_list(blobs, origin_name, "1.3")
    await sweep(own_bus, blobs, time.time() + 100 * DAY)
    assert await keys(blobs, origin_name) == {key}


async def test_with_a_record_that_cannot_be_read_nothing_is_deleted(
    own_bus: Bus, blobs: BlobStore, origin_name: str, named: set[str]
) -> None:
    left = await a_list(blobs, origin_name, "1.2")
    subject = f"$KV.{INBOXES_BUCKET}.{token(origin_name)}.{token('1.9')}"
    await own_bus.jetstream.publish(subject, b"of another version")
    try:
        with pytest.raises(ContractError):
            await sweep(own_bus, blobs, time.time() + DAY + 60)
    finally:
        await own_bus.jetstream.purge_stream(f"KV_{INBOXES_BUCKET}", subject=subject)
    assert await keys(blobs, origin_name) == named | {left}


async def test_what_events_name_stays_for_as_long_as_they_do(
    own_bus: Bus, blobs: BlobStore, origin_name: str, named: set[str]
) -> None:
    manifest = contents_key(origin_name, "1.2", "aa.json")
    await blobs.put(manifest, b"[]")
    await sweep(own_bus, blobs, time.time() + EVENTS_SECONDS)
    assert await keys(blobs, origin_name) == named | {manifest}
    await sweep(own_bus, blobs, time.time() + EVENTS_SECONDS + DAY + 60)
    assert await keys(blobs, origin_name) == named


async def test_replicas_take_turns_at_it_for_as_long_as_they_run(
    own_bus: Bus, blobs: BlobStore, origin_name: str, named: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.arrivals.leftovers.EVERY_SECONDS", 0.05)
    monkeypatch.setattr("isthmus.arrivals.leftovers.DAY", -60.0)
    parts = Parts(Settings(), own_bus, blobs)
    async with leftovers(parts), leftovers(parts):
        for _ in range(2):
            await a_list(blobs, origin_name, "1.2")
            await until(lambda: keys(blobs, origin_name), named.__eq__)
