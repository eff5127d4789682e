"""Replicas that are killed: no event of a study is lost, and none comes twice."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from isthmus.arrivals import announce
from isthmus.arrivals.announce import Announcer
from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import INBOXES_BUCKET
from isthmus.common.bus.subjects import token
from isthmus.common.config import Conflicts
from isthmus.common.config.settings import S3, Nats
from isthmus.common.inbox.contents import Contents, ContentsStore
from isthmus.common.inbox.merge import Happened, merge
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.remove import remove
from isthmus.common.inbox.state import Phase, States, StudyState, Versioned
from isthmus.common.messages import Delete
from isthmus.common.messages.events import CloudEvent, EventType, Reason, StudyEvent
from tests.arrivals import dying
from tests.arrivals.conftest import Arrivals
from tests.arrivals.killed import DYING, run_until_killed
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber
from tests.waiting import until


@pytest.fixture
def environment(own_nats_settings: Nats, s3_settings: S3, arrivals: Arrivals) -> dict[str, str]:
    """The settings of a process, as variables."""
    return {
        **{f"ISTHMUS_NATS__{name.upper()}": str(value) for name, value in own_nats_settings if value},
        **{f"ISTHMUS_S3__{name.upper()}": str(value) for name, value in s3_settings if value},
        "ISTHMUS_ORIGINS": json.dumps([arrivals.inbox.model_dump(mode="json")]),
    }


@pytest.mark.parametrize("place", dying.PLACES)
async def test_another_replica_goes_on(
    place: str,
    environment: dict[str, str],
    arrivals: Arrivals,
    send: Sender,
    subscriber: Subscriber,
) -> None:
    await send.instances("1.2", range(5))
    await run_until_killed(DYING, place, environment)
    async with arrivals.running():
        event = await subscriber.next()
        assert (event.type, event.data.study, event.data.instances) == (EventType.STUDY_ARRIVED, "1.2", 5)
        await send.instances("1.2", [7])
        amended = await subscriber.next()
    assert (amended.type, amended.data.revision) == (EventType.STUDY_AMENDED, 2)
    assert await subscriber.waiting() == 0


@pytest.fixture
async def forgetful_bus(tmp_path: Path) -> AsyncIterator[Bus]:
    """A bus whose stream of events knows repeats for a tenth of a second."""
    async with EmbeddedNats(tmp_path) as server:
        bus = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
        config = (await bus.jetstream.stream_info("EVENTS")).config
        await bus.jetstream.update_stream(config.evolve(duplicate_window=0.1))
        yield bus
        await bus.close()


async def _record(bus: Bus, blobs: BlobStore, origin: str) -> Versioned:
    """Write the record of a study that is to be announced."""
    event = Sender(bus, origin).event("1.2", 1)
    merged = merge(StudyState(origin, "1.2"), Contents(), [Happened(event.data, 1.0)], Conflicts.NEWEST)
    key = await ContentsStore(blobs).save(origin, "1.2", merged.contents)
    state = StudyState(
        origin, "1.2", 0, key, 1, 1000, merged.state.attributes, merged.state.series, merged.state.arrival
    )
    revision = await States(bus).put(state, 0)
    assert revision is not None
    return Versioned(state, revision)


@pytest.mark.parametrize("was_published", [True, False])
async def test_after_the_duplicate_window_the_stream_is_searched(
    was_published: bool, forgetful_bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    bus, states = forgetful_bus, States(forgetful_bus)
    others = Announcer(bus, blobs, "http://gateway", ContentsStore(blobs))
    for _ in range(3):  # what stood in the stream before, and of other studies
        await Sender(bus, origin_name).instances("1.9", [1])
    found = await _record(bus, blobs, origin_name)
    dead = _Dying(bus, blobs, "http://gateway", ContentsStore(blobs))
    dead.publishes = was_published
    with pytest.raises(_Killed):
        await dead.announce(found, Reason.QUIET)
    subscriber = await Subscriber.open(bus, origin_name)
    publishing = await states.get(origin_name, "1.2")
    assert publishing.state.arrival.phase is Phase.PUBLISHING
    assert await subscriber.waiting() == was_published
    await _forgotten(bus, Sender(bus, origin_name))
    late = Announcer(bus, blobs, "http://gateway", ContentsStore(blobs))
    await late.finish(publishing)
    await others.finish(publishing)
    assert await subscriber.waiting() == 1
    settled = (await states.get(origin_name, "1.2")).state.arrival
    assert (settled.phase, settled.revision, settled.publication) == (Phase.SETTLED, 1, None)


async def test_what_a_dead_replica_told_counts_though_it_was_deleted_since(
    own_bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    """Else two amendments would have one revision."""
    states, contents = States(own_bus), ContentsStore(blobs)
    announcer = Announcer(own_bus, blobs, "http://gateway", contents)
    await announcer.announce(await _record(own_bus, blobs, origin_name), Reason.QUIET)
    await _more(own_bus, blobs, origin_name, 2)
    with pytest.raises(_Killed):
        await _Dying(own_bus, blobs, "http://gateway", contents).announce(
            await states.get(origin_name, "1.2"), Reason.QUIET
        )
    await remove(own_bus, blobs, Delete(origin_name, "1.2", "1.2.1", "1.2.1.2"))
    await announcer.finish(await states.get(origin_name, "1.2"))
    await _more(own_bus, blobs, origin_name, 3)
    await announcer.announce(await states.get(origin_name, "1.2"), Reason.QUIET)
    subscriber = await Subscriber.open(own_bus, origin_name)
    events = [event.data for event in await subscriber.events(3)]
    assert [(event.revision, event.instances) for event in events] == [(1, 1), (2, 2), (3, 2)]


async def _more(bus: Bus, blobs: BlobStore, origin: str, number: int) -> None:
    """Write down one more instance of the study."""
    states, contents = States(bus), ContentsStore(blobs)
    found, before = await read_study(states, contents, origin, "1.2")
    happened = Happened(Sender(bus, origin).event("1.2", number).data, float(number))
    merged = merge(found.state, before, [happened], Conflicts.NEWEST)
    key = await contents.save(origin, "1.2", merged.contents)
    assert await states.put(replace(merged.state, contents=key), found.revision) is not None


async def test_what_is_deleted_while_its_event_is_published_leaves_nothing_unfinished(
    own_bus: Bus, blobs: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the study would look as if an event was on its way for ever, and would never be too old."""
    states = States(own_bus)
    await _record(own_bus, blobs, origin_name)
    await _more(own_bus, blobs, origin_name, 2)

    async def delete_and_publish(bus: Bus, event: CloudEvent[StudyEvent]) -> bool:
        await remove(own_bus, blobs, Delete(origin_name, "1.2", "1.2.1", "1.2.1.1"))
        return await publish_event(bus, event)

    monkeypatch.setattr(announce, "publish_event", delete_and_publish)
    announcer = Announcer(own_bus, blobs, "http://gateway", ContentsStore(blobs))
    assert await announcer.announce(await states.get(origin_name, "1.2"), Reason.QUIET)
    settled = (await states.get(origin_name, "1.2")).state
    assert (settled.arrival.phase, settled.arrival.revision, settled.instances) == (Phase.SETTLED, 1, 1)
    subscriber = await Subscriber.open(own_bus, origin_name)
    assert await subscriber.waiting() == 1


async def test_a_study_that_comes_again_is_another_one_when_the_first_is_long_forgotten(
    own_bus: Bus, blobs: BlobStore, origin_name: str
) -> None:
    """Its subscribers remember the ids of what they have handled."""
    announcer = Announcer(own_bus, blobs, "http://gateway", ContentsStore(blobs))
    for _ in range(2):
        await announcer.announce(await _record(own_bus, blobs, origin_name), Reason.QUIET)
        subject = f"$KV.{INBOXES_BUCKET}.{token(origin_name)}.{token('1.2')}"
        await own_bus.jetstream.purge_stream(f"KV_{INBOXES_BUCKET}", subject=subject)
    subscriber = await Subscriber.open(own_bus, origin_name)
    first, second = await subscriber.events(2)
    assert first.id != second.id


async def test_no_clock_decides_whether_an_event_was_published(
    forgetful_bus: Bus, blobs: BlobStore, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who died had a clock that is an hour ahead of ours."""
    bus, contents = forgetful_bus, ContentsStore(blobs)
    found = await _record(bus, blobs, origin_name)
    with monkeypatch.context() as ahead:
        ahead.setattr(announce, "time", SimpleNamespace(time=lambda: time.time() + 3600.0))
        with pytest.raises(_Killed):
            await _Dying(bus, blobs, "http://gateway", contents).announce(found, Reason.QUIET)
    await _forgotten(bus, Sender(bus, origin_name))
    publishing = await States(bus).get(origin_name, "1.2")
    await Announcer(bus, blobs, "http://gateway", contents).finish(publishing)
    subscriber = await Subscriber.open(bus, origin_name)
    assert await subscriber.waiting() == 1


class _Killed(Exception):
    """As if the process was gone."""


class _Dying(Announcer):
    publishes = True

    async def _publish(self, found: Versioned, *, is_told: bool) -> None:
        if self.publishes:
            publication = found.state.arrival.publication
            assert publication is not None
            contents = await self._contents.load(found.state.contents)
            kind = EventType.STUDY_AMENDED if found.state.arrival.revision else EventType.STUDY_ARRIVED
            event = await self._events.make(found.state, contents, kind, publication)
            assert event is not None
            assert await publish_event(self._bus, event)
        raise _Killed


async def _forgotten(bus: Bus, sender: Sender) -> None:
    """Wait until the stream takes a repeat for new."""
    event = sender.event("1.8", 1)
    await publish_event(bus, event)
    await until(lambda: publish_event(bus, event))
