"""Instance events in, study events out: when, once, and with what."""

import asyncio
import time
from dataclasses import replace

import orjson
import pytest

from isthmus.arrivals import horizon
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import contents_prefix, held_key, inbox_key
from isthmus.common.bus import Bus
from isthmus.common.bus.events import publish_event
from isthmus.common.bus.streams import ARRIVALS_CONSUMER
from isthmus.common.inbox import state
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.reading import read_study
from isthmus.common.inbox.remove import remove
from isthmus.common.inbox.state import Phase, States
from isthmus.common.messages import Delete
from isthmus.common.messages.events import EventType, Reason
from isthmus.common.telemetry import span
from tests.arrivals.conftest import QUIET, Arrivals
from tests.arrivals.sender import Sender
from tests.arrivals.subscriber import Subscriber
from tests.documents.asyncapi import check_manifest
from tests.measured import measured
from tests.waiting import PATIENCE, until

ARRIVED, AMENDED = EventType.STUDY_ARRIVED, EventType.STUDY_AMENDED


async def test_a_quiet_study_has_arrived(arrivals: Arrivals, send: Sender, subscriber: Subscriber) -> None:
    async with arrivals.running():
        await send.instances("1.2", range(3))
        await send.instances("1.2", range(2), series=2, modality="SR")
        sent = time.time()
        event = await subscriber.next()
        assert QUIET * 0.9 < time.time() - sent < QUIET + 10
    data = event.data
    assert (event.type, data.study, data.revision) == (ARRIVED, "1.2", 1)
    assert (data.complete, data.reason) == ("assumed", Reason.QUIET)
    assert (data.instances, data.size, data.new_instances) == (5, 5000, 5)
    assert data.series is not None
    assert {(one.series, one.modality, one.instances) for one in data.series} == {
        ("1.2.1", "CT", 3),
        ("1.2.2", "SR", 2),
    }
    assert data.modalities == {"CT": 3, "SR": 2}
    assert data.url == f"http://gateway/aets/{arrivals.inbox.name}/studies/1.2"
    assert data.blobs is not None
    assert {blob.instance for blob in data.blobs} == {"1.2.1.0", "1.2.1.1", "1.2.1.2", "1.2.2.0", "1.2.2.1"}
    assert set(data.attributes) == {"00081030", "00100020"}
    assert (data.calling_ae_titles, data.conflicts, data.manifest) == (("CT1",), (), None)


async def test_an_event_brings_no_blob_into_an_inbox_that_lies_elsewhere(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    for study, key in (
        ("1.3", held_key("pacs", "1.3", "1.3.1", "1.3.1.1", "d")),
        ("1.4", inbox_key("other", "1.4", "1.4.1", "1.4.1.1", "d")),
        ("1.5", inbox_key(arrivals.inbox.name, "1.50", "1.5.1", "1.5.1.1", "d")),
        ("1.6", inbox_key(arrivals.inbox.name, "1.6", "1.6.1", "1.6.1.10", "d")),
    ):
        forged = send.event(study, 1)
        data = replace(forged.data, blob=replace(forged.data.blob, key=key))
        await publish_event(arrivals.bus, replace(forged, data=data))
    async with arrivals.running():
        await send.instances("1.2", [1])
        assert (await subscriber.next()).data.study == "1.2"
    states = States(arrivals.bus)
    for study in ("1.3", "1.4", "1.5", "1.6"):
        assert (await states.get(arrivals.inbox.name, study)).revision == 0


async def test_what_comes_later_amends_the_study_once(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    async with arrivals.running():
        await send.instances("1.2", range(2))
        await subscriber.next()
        await send.instances("1.2", [7])
        await send.instances("1.2", [8])
        amended = (await subscriber.next()).data
        await send.instances("1.2", [9])
        again = (await subscriber.next()).data
        inbox, told = {"dicom_origin": arrivals.inbox.name}, "isthmus_arrivals_announced_total"
        await until(
            lambda: asyncio.sleep(0, measured(told, **inbox, isthmus_event=AMENDED.value)),
            lambda events: events == 2,
        )
    assert measured(told, **inbox, isthmus_event=ARRIVED.value) == 1
    assert (measured("isthmus_arrivals_events_total", **inbox) or 0) >= 5
    assert amended.blobs is not None
    assert [blob.instance for blob in amended.blobs] == ["1.2.1.7", "1.2.1.8"]
    assert (amended.revision, amended.instances, amended.new_instances) == (2, 4, 2)
    assert (again.revision, again.instances, again.new_instances) == (3, 5, 1)
    assert await subscriber.waiting() == 0


async def test_an_open_association_keeps_a_study_open(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    async with arrivals.running():
        await send.instances("1.2", [1], association="open")
        await send.instances("1.3", [1])
        assert (await subscriber.next()).data.study == "1.3"  # as quiet for as long
        await send.instances("1.2", [2], association="open")
        await send.ended("1.2", "open")
        event = await subscriber.next()
    assert (event.data.study, event.data.instances) == ("1.2", 2)


async def test_all_that_the_sender_named_is_there_at_once(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    async with arrivals.running(quiet_seconds=600.0):
        await send.instances("1.2", [1], association="open")
        await send.reported("1.2", "1.2.1.1", "1.2.1.2", final=False)
        await send.reported("1.2", "1.2.1.1", "1.2.1.2")
        await send.instances("1.2", [2], association="open")
        event = await subscriber.next()
    assert (event.data.complete, event.data.reason, event.data.instances) == (True, Reason.REPORTED, 2)


async def test_a_report_before_the_first_instance_counts(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    async with arrivals.running(quiet_seconds=600.0):
        await send.reported("1.2", "1.2.1.1")
        await send.instances("1.2", [1])
        assert (await subscriber.next()).data.reason is Reason.REPORTED


async def test_a_study_is_not_complete_while_a_part_of_it_is_from_who_reports_nothing(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    async with arrivals.running():
        await send.instances("1.2", [1], series=2, modality="PT", association="open")
        await send.instances("1.2", [1, 2])
        await send.reported("1.2", "1.2.1.1", "1.2.1.2")
        await send.ended("1.2", "open")
        arrived = (await subscriber.next()).data
        await send.reported("1.2", "1.2.2.1")
        await send.instances("1.2", [3], series=2, modality="PT")
        amended = (await subscriber.next()).data
    assert (arrived.instances, arrived.complete, arrived.reason) == (3, "assumed", Reason.QUIET)
    assert (amended.instances, amended.complete, amended.reason) == (4, "assumed", Reason.QUIET)


async def test_a_study_is_not_complete_while_something_waits_that_nobody_named(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus
) -> None:
    """A replica that hangs has it, until it goes to another one."""
    async with arrivals.running():
        await send.instances("1.9", [1])
        await subscriber.next()
    reader = await own_bus.jetstream.pull_subscribe_bind(ARRIVALS_CONSUMER, "EVENTS")
    await send.instances("1.2", [1], series=2, modality="PT")
    assert await reader.fetch(1, timeout=PATIENCE)
    await reader.unsubscribe()
    await send.instances("1.2", [1, 2])
    await send.reported("1.2", "1.2.1.1", "1.2.1.2")
    async with arrivals.running():
        data = (await subscriber.next()).data
    assert (data.instances, data.complete) == (3, "assumed")


async def test_another_patient_in_the_study_is_told(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    async with arrivals.running():
        await send.instances("1.2", [1])
        await send.instances("1.2", [2], patient="4712")
        event = await subscriber.next()
    assert event.data.conflicts == ("patient",)
    assert event.data.instances == 2


async def test_other_bytes_are_read_as_the_inbox_says(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    async with arrivals.running(conflicts="first"):
        await send.instances("1.2", [1])
        await send.instances("1.2", [1], content="other", conflict="first")
        await send.instances("1.3", [1])
        await send.instances("1.3", [1], content="other", conflict="newest")
        events = {event.data.study: event for event in await subscriber.events(2)}
    kept = send.event("1.2", 1).data.digest
    taken = send.event("1.3", 1, content="other").data.digest
    read = {study: event.data.blobs[0].digest for study, event in events.items() if event.data.blobs}
    assert read == {"1.2": kept, "1.3": taken}
    assert all(event.data.conflicts == ("instance",) for event in events.values())


async def test_many_instances_are_in_a_manifest(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, blobs: BlobStore
) -> None:
    await send.instances("1.2", range(1500))  # none of them may be late: that would be two events
    async with arrivals.running():
        event = await subscriber.next()
    data = event.data
    assert (data.instances, data.new_instances, data.blobs) == (1500, 1500, None)
    assert data.manifest is not None
    written = await blobs.get(data.manifest.key)
    check_manifest(written)
    assert len(written) == data.manifest.size
    assert {one["instance"] for one in orjson.loads(written)} == {f"1.2.1.{n}" for n in range(1500)}


async def test_a_study_of_thousands_of_series_arrives(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus
) -> None:
    async with arrivals.running():
        events = [send.event("1.2", 1, series=number) for number in range(1_500)]
        for start in range(0, len(events), 250):
            await asyncio.gather(*(publish_event(own_bus, one) for one in events[start : start + 250]))
        data = (await subscriber.next()).data
        while data.instances < len(events):  # it took longer than the quiet time
            data = (await subscriber.next()).data
    assert (data.instances, len(data.series or ()), data.modalities) == (1_500, 1_500, {"CT": 1_500})


async def test_names_that_are_far_too_long_have_room_in_an_event(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    study = "1." + 30_000 * "2"
    async with arrivals.running():
        for series in range(12):
            await send.instances(study, [1], series=series, modality=str(series) + 12_000 * "M")
        data = (await subscriber.next()).data
        while data.instances < 12:
            data = (await subscriber.next()).data
    assert (data.study, data.series, data.blobs) == (study, None, None)
    assert data.modalities == {f"{n}{'M' * 16}"[:16]: 1 for n in range(12)}


async def test_a_study_that_cannot_be_written_down_holds_up_no_other(
    arrivals: Arrivals,
    send: Sender,
    subscriber: Subscriber,
    own_bus: Bus,
    blobs: BlobStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its lists are deleted: it is tried again and again."""
    origin = arrivals.inbox.name
    monkeypatch.setattr(horizon, "STUCK_SECONDS", 0.2)
    monkeypatch.setattr(state, "MOST_BYTES", 3_000)
    async with arrivals.running():
        for number in range(20):
            await send.instances("1.666", [1], series=number)
        await send.instances("1.2", range(2))
        event = await subscriber.next()
        while event.data.study != "1.2":  # a part of the other one, as far as there was room
            event = await subscriber.next()
        assert event.data.instances == 2
        consumer = await own_bus.jetstream.consumer_info("EVENTS", ARRIVALS_CONSUMER)
        assert consumer.config.max_ack_pending == -1  # however much waits, there is room for more
        found = (await States(own_bus).get(origin, "1.666")).state
        kept = {key for key in (found.contents, found.arrival.announced) if key is not None}
        assert kept
        await until(lambda: _lists(blobs, origin, "1.666"), kept.__eq__)
    await _forget_events(own_bus)


async def _lists(blobs: BlobStore, origin: str, study: str) -> set[str]:
    return {one.key async for one in blobs.list(contents_prefix(origin, study))}


async def _forget_events(bus: Bus) -> None:
    """Take events away that nobody will ever merge: they would hold up other tests."""
    await bus.jetstream.delete_consumer("EVENTS", ARRIVALS_CONSUMER)
    await bus.jetstream.purge_stream("EVENTS")


async def test_what_waits_in_the_stream_is_no_silence(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    """Arrivals was away for longer than the quiet time, and takes what came in more than one batch."""
    await send.instances("1.2", range(6000))
    await asyncio.sleep(QUIET)  # as long as it was away
    async with arrivals.running():
        event = await subscriber.next()
    assert event.data.instances == 6000
    assert await subscriber.waiting() == 0


async def test_two_replicas_announce_each_study_once(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    studies = [f"1.2.{number}" for number in range(20)]
    async with arrivals.running(), arrivals.running():
        for number in range(10):
            await asyncio.gather(*(send.instances(study, [number], association=study) for study in studies))
        await asyncio.gather(*(send.ended(study, study) for study in studies))
        events = await subscriber.events(len(studies))
    assert {event.data.study for event in events} == set(studies)
    assert all((event.type, event.data.instances) == (ARRIVED, 10) for event in events)
    assert await subscriber.waiting() == 0


async def test_events_that_come_again_change_nothing(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus
) -> None:
    async with arrivals.running():
        await send.instances("1.2", range(3))
        await subscriber.next()
    await own_bus.jetstream.delete_consumer("EVENTS", "arrivals")
    async with arrivals.running():
        await send.instances("1.3", [1])
        assert (await subscriber.next()).data.study == "1.3"
    assert await subscriber.waiting() == 0


async def test_a_timer_that_got_lost_is_set_again(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus
) -> None:
    async with arrivals.running(quiet_seconds=600.0):
        await send.instances("1.2", [1])
        await _until(own_bus, arrivals.inbox.name, "1.2", Phase.COLLECTING)
    await own_bus.jetstream.purge_stream("TIMERS")
    await own_bus.jetstream.delete_consumer("EVENTS", "arrivals")
    async with arrivals.running():
        assert (await subscriber.next()).data.study == "1.2"


async def test_what_was_deleted_does_not_come_back(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus, blobs: BlobStore
) -> None:
    """Its event is delivered once more, as to a replica that takes over."""
    async with arrivals.running():
        await send.instances("1.2", range(3))
        await subscriber.next()
    origin = arrivals.inbox.name
    assert (await remove(own_bus, blobs, Delete(origin, "1.2"))).instances == 3
    await own_bus.jetstream.delete_consumer("EVENTS", "arrivals")
    async with arrivals.running():
        await send.instances("1.2", [2], life=1)
        event = await subscriber.next()
    assert (event.type, event.data.revision, event.data.instances) == (ARRIVED, 1, 1)
    _, contents = await read_study(States(own_bus), ContentsStore(blobs), origin, "1.2")
    assert list(contents.rows) == ["1.2.1.2"]


async def test_other_bytes_that_were_deleted_do_not_come_back_beside_what_came_again(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber, own_bus: Bus, blobs: BlobStore
) -> None:
    origin = arrivals.inbox.name
    async with arrivals.running():
        await send.instances("1.2", [2], content="other")
        await subscriber.next()
    assert (await remove(own_bus, blobs, Delete(origin, "1.2"))).instances == 1
    async with arrivals.running():
        await send.instances("1.2", [2], life=1)
        await subscriber.next()
    await own_bus.jetstream.delete_consumer("EVENTS", "arrivals")
    async with arrivals.running():
        await send.instances("1.2", [3], life=1)
        await subscriber.next()
    _, contents = await read_study(States(own_bus), ContentsStore(blobs), origin, "1.2")
    assert {uid: row.others for uid, row in contents.rows.items()} == {"1.2.1.2": (), "1.2.1.3": ()}


async def test_the_trace_of_the_last_instance_goes_on(
    arrivals: Arrivals, send: Sender, subscriber: Subscriber
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with arrivals.running():
        with span("C-STORE"):
            await send.instances("1.2", [1], traceparent=f"00-{trace}-b7ad6b7169203331-01")
            event = await subscriber.next()
    assert event.traceparent is not None
    assert event.traceparent.split("-")[1] == trace


async def _until(bus: Bus, origin: str, study: str, phase: Phase) -> None:
    """Wait for the record of a study."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = await States(bus).get(origin, study)
            if found.revision and found.state.arrival.phase is phase:
                return
            await asyncio.sleep(0.02)
