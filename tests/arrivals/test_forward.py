"""Forwarding over real NATS, to a worker that answers as the test tells it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.forwards import ForwardedStudies, is_pending
from isthmus.common.config.settings import Nats
from isthmus.common.messages import Failure
from isthmus.common.messages.events import Blob
from tests.arrivals.forwards import REFUSED, UNREACHABLE, Site, site_of, uids
from tests.measured import measured
from tests.stow.worker import Job, stores
from tests.waiting import PATIENCE, until


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    async with site_of(bus, blobs, origin_name) as site:
        yield site


@pytest.fixture
async def other_bus(nats_settings: Nats) -> AsyncIterator[Bus]:
    """The connection of another replica."""
    bus = await Bus.connect(nats_settings, "test")
    yield bus
    await bus.close()


async def test_a_study_that_arrives_goes_where_its_rule_says(site: Site) -> None:
    one, two = site.ref(1), site.ref(2)
    taken = site.employ()
    async with site.forwarding():
        await site.announce(one, two)
        assert await taken.next() == uids(one, two)
        await site.done()
    assert len(taken.jobs) == 1


async def test_what_no_rule_is_for_goes_nowhere(site: Site) -> None:
    taken = site.employ()
    async with site.forwarding({"inbox": f"other-{site.inbox}"}, {"calling_ae_title": "CT*"}):
        await site.announce(site.ref(1), calling_ae_titles=("MR1",))
        await site.routed()
        assert not await is_pending(site.bus, site.inbox, site.study)
    assert taken.jobs == []


async def test_only_the_instances_of_the_modality_go(site: Site) -> None:
    ct, mr = site.ref(1, "1"), site.ref(1, "2")
    taken = site.employ()
    async with site.forwarding({"modality": ["MR"]}):
        await site.announce(ct, mr)
        assert await taken.next() == uids(mr)


async def test_what_came_later_follows_alone(site: Site) -> None:
    taken = site.employ()
    async with site.forwarding():
        await site.announce(site.ref(1))
        await taken.next()
        await site.noted()
        await site.announce(site.ref(2), revision=2)
        assert await taken.next() == uids(site.ref(2))


async def test_each_instance_goes_at_once_where_a_rule_says_so(site: Site) -> None:
    taken = site.employ()
    async with site.forwarding({"each": "instance", "modality": ["CT"]}):
        await site.store(site.ref(1), "MR")
        await site.store(site.ref(2), "CT", conflict="first")
        await site.store(site.ref(3), "CT", conflict="newest")
        assert await taken.next() == uids(site.ref(3))
        await site.routed()
        await site.done()
    assert len(taken.jobs) == 1


async def test_a_repeated_event_sends_nothing_twice(site: Site) -> None:
    taken = site.employ()
    async with site.forwarding():
        await site.announce(site.ref(1))
        await taken.next()
        await site.done()
    # As for who died before it could acknowledge the event.
    await site.forget_place()
    async with site.forwarding():
        await site.routed()
        await site.done()
    assert len(taken.jobs) == 1


async def test_a_list_that_is_too_long_for_a_message_goes_in_several(site: Site) -> None:
    refs = [site.ref(number) for number in range(1200)]
    blobs = "[" + ",".join(
        f'{{"bucket":"{ref.bucket}","key":"{ref.key}","size":100,"series":"{ref.series_instance_uid}",'
        f'"instance":"{ref.sop_instance_uid}","sop_class":"{ref.sop_class_uid}",'
        f'"transfer_syntax":"{ref.transfer_syntax_uid}","digest":"d"}}'
        for ref in refs
    )
    key = f"contents/{site.inbox}/manifest"
    await site.blobs.put(key, f"{blobs}]".encode())
    taken = site.employ()
    async with site.forwarding():
        await site.announce(manifest=Blob(site.blobs.bucket, key, len(blobs) + 1), blobs=None)
        got: list[str] = []
        while len(got) < len(refs):
            got += await taken.next()
        assert sorted(got) == sorted(uids(*refs))
    assert len(taken.jobs) > 1


async def test_a_manifest_of_a_study_that_was_deleted_sends_nothing(site: Site) -> None:
    taken = site.employ()
    async with site.forwarding():
        await site.announce(manifest=Blob(site.blobs.bucket, "contents/none/none", 10), blobs=None)
        await site.routed()
        await site.done()
    assert taken.jobs == []


async def test_an_event_that_is_none_of_ours_holds_up_no_other(site: Site) -> None:
    taken = site.employ()
    async with site.forwarding():
        await site.bus.jetstream.publish(subjects.event("study.arrived", site.inbox), b"{}")
        await site.announce(site.ref(1))
        assert await taken.next() == uids(site.ref(1))


async def test_only_what_was_refused_is_tried_again(site: Site) -> None:
    one, two, three = site.ref(1), site.ref(2), site.ref(3)
    answered = 0

    async def refuses_once(job: Job) -> None:
        nonlocal answered
        answered += 1
        if answered == 1:
            await job.answer(0, 0)
            await job.answer(1, 0xA900, REFUSED)
            await job.answer(2, 0)
            await job.end()
        else:
            await stores(job)

    taken = site.employ(refuses_once)
    async with site.forwarding():
        await site.announce(one, two, three)
        assert await taken.next() == uids(one, two, three)
        assert await taken.next() == uids(two)
        await site.done()
    assert await site.dead() == []


async def test_what_is_refused_too_often_becomes_a_dead_letter(site: Site) -> None:
    good, bad = site.ref(1), site.ref(2)

    async def refuses_one(job: Job) -> None:
        for index, ref in enumerate(await job.refs()):
            is_bad = ref == bad
            await job.answer(index, 0xA900 if is_bad else 0, REFUSED if is_bad else None)
        await job.end()

    taken = site.employ(refuses_one)
    async with site.forwarding(max_attempts=3):
        await site.announce(good, bad)
        (buried,) = await until(site.dead)
        await site.done()
        name, labels = "isthmus_forwarded_total", {"dicom_origin": buried.letter.name}
        await until(
            lambda: asyncio.sleep(0, measured(name, **labels, isthmus_outcome="refused")),
            lambda refusals: refusals == 3,
        )
    assert measured(name, **labels, isthmus_outcome="stored") == 1
    assert taken.jobs == [uids(good, bad), uids(bad), uids(bad)]
    assert (buried.letter.attempts, buried.letter.reason) == (3, "1 x A900")
    assert uids(*buried.forwarding.blobs) == uids(bad)
    assert buried.letter.first <= buried.letter.last


async def test_a_destination_that_is_away_gets_all_when_it_is_back(site: Site) -> None:
    """More often than there are attempts, and nothing is given up."""
    tries = 0
    back = asyncio.Event()

    async def comes_back(job: Job) -> None:
        nonlocal tries
        tries += 1
        if tries == 8:
            back.set()
        if back.is_set():
            await stores(job)
        else:
            await job.answer_all(0x0110, UNREACHABLE)

    site.employ(comes_back)
    async with site.forwarding(max_attempts=2):
        await site.announce(site.ref(1))
        await asyncio.wait_for(back.wait(), PATIENCE)
        await site.done()
    assert await site.dead() == []


async def test_what_a_destination_took_before_it_went_is_not_sent_again(site: Site) -> None:
    async def goes_away(job: Job) -> None:
        await job.answer(0, 0)
        for index in range(1, len(await job.refs())):
            await job.answer(index, 0x0110, UNREACHABLE)
        await job.end()

    taken = site.employ(goes_away)
    async with site.forwarding():
        await site.announce(site.ref(1), site.ref(2), site.ref(3))
        assert await taken.next() == uids(site.ref(1), site.ref(2), site.ref(3))
        assert await taken.next() == uids(site.ref(2), site.ref(3))
        assert await taken.next() == uids(site.ref(3))
        await site.done()


async def test_a_destination_that_is_away_holds_up_no_other(site: Site) -> None:
    other = f"other-{uuid4().hex[:12]}"

    async def away(job: Job) -> None:
        await job.answer_all(0x0110, UNREACHABLE)

    site.employ(away)
    taken = site.employ(destination=other)
    async with site.forwarding({"to": (site.destination, other)}, others=(other,)):
        for number in range(3):
            await site.announce(site.ref(number), event_id=uuid4().hex)
            assert await taken.next() == uids(site.ref(number))
    assert await is_pending(site.bus, site.inbox, site.study)


@pytest.mark.parametrize("kind", ["OriginTimeout", "AssociationAborted"])
async def test_a_destination_that_answers_all_but_an_instance_refuses_it(site: Site, kind: str) -> None:
    """Otherwise this one instance would hold the queue for ever."""
    await site.answer_echo()

    async def stays_silent(job: Job) -> None:
        await job.answer_all(0x0110, Failure(kind, "", site.destination))

    site.employ(stays_silent)
    async with site.forwarding(max_attempts=2):
        await site.announce(site.ref(1))
        (buried,) = await until(site.dead)
    assert buried.letter.reason == f"1 x 0110 ({kind})"


async def test_what_stands_behind_instances_that_a_destination_cannot_do_with_gets_there(site: Site) -> None:
    """It is silent about them, and the worker tries no more than two of those in a row."""
    await site.answer_echo()
    bad, good = [site.ref(number) for number in range(3)], [site.ref(number) for number in range(3, 8)]

    async def hangs(job: Job) -> None:
        silences = 0
        for index, ref in enumerate(await job.refs()):
            if silences == 2:
                await job.answer(index, 0x0110, Failure("NotTried", "", site.destination))
            elif ref in bad:
                silences += 1
                await job.answer(index, 0x0110, Failure("OriginTimeout", "", site.destination))
            else:
                silences = 0
                await job.answer(index, 0)
        await job.end()

    taken = site.employ(hangs)
    async with site.forwarding(max_attempts=2):
        await site.announce(*bad, *good)
        await site.noted()
        await site.done()
    buried = {uid for one in await site.dead() for uid in uids(*one.forwarding.blobs)}
    assert buried == set(uids(*bad))
    assert set(uids(*good)) <= {uid for job in taken.jobs[1:] for uid in job}


async def test_a_study_that_arrives_anew_went_nowhere_before(site: Site) -> None:
    studies = ForwardedStudies(site.bus)
    await studies.change(site.inbox, site.study, "elsewhere", lambda went: replace(went, is_lacking=True))
    site.employ()
    async with site.forwarding():
        await site.announce(site.ref(1))
        await site.noted()
    found = await studies.destinations(site.inbox, site.study)
    assert found.keys() == {site.destination}
    assert found[site.destination].revision == 1


async def test_two_replicas_send_each_study_once(site: Site, other_bus: Bus) -> None:
    taken = site.employ()
    async with site.forwarding(), site.forwarding(bus=other_bus):
        for number in range(20):
            await site.announce(site.ref(number), event_id=uuid4().hex)
        got = [uid for _ in range(20) for uid in await taken.next()]
        await site.routed()
        await site.done()
    assert sorted(got) == sorted(uids(*(site.ref(number) for number in range(20))))
    assert len(taken.jobs) == 20
