"""Forwarding over real NATS, to a worker that answers as the test tells it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.forwards import ForwardedStudies, is_pending
from isthmus.common.config.settings import Nats
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.state import States
from isthmus.common.messages import BlobRef, Failure
from isthmus.common.messages.events import Blob
from tests.arrivals.forwards import REFUSED, UNREACHABLE, Site, until
from tests.common.inbox.studies import arrived
from tests.data_sets import make_series
from tests.stow.worker import Job, stores


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    site = Site(bus, blobs, origin_name)
    await site.forget_place()
    yield site
    await site.dismiss()


@pytest.fixture
async def other_bus(nats_settings: Nats) -> AsyncIterator[Bus]:
    """The connection of another replica."""
    bus = await Bus.connect(nats_settings, "test")
    yield bus
    await bus.close()


def uids(*refs: BlobRef) -> list[str]:
    return [ref.sop_instance_uid for ref in refs]


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
        (buried,) = await until(site.dead, bool)
        await site.done()
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
        await asyncio.wait_for(back.wait(), 20)
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
        (buried,) = await until(site.dead, bool)
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


async def test_what_was_replaced_meanwhile_is_not_tried_again(site: Site, series: list[Path]) -> None:
    """It would come after what replaced it, and take its place."""
    first = series[0].read_bytes()
    changed = first[:-1] + bytes([first[-1] ^ 1])
    (state,) = await arrived(site.bus, site.blobs, site.inbox, [first, changed, series[1]])
    site.study = state.study
    rows = (await ContentsStore(site.blobs).load(state.contents)).rows.values()
    replaced = [other for row in rows for other in row.others]
    assert len(replaced) == 1
    stays = [row.blob for row in rows if not row.others]

    async def refuses(job: Job) -> None:
        await job.answer_all(0xA900, REFUSED)

    taken = site.employ(refuses)
    async with site.forwarding(max_attempts=3):
        await site.announce(*replaced, *stays)
        (buried,) = await until(site.dead, bool)
        await site.done()
    assert taken.jobs == [uids(*replaced, *stays), uids(*stays), uids(*stays)]
    assert uids(*buried.forwarding.blobs) == uids(*stays)


async def test_what_was_deleted_meanwhile_is_not_tried_again(site: Site) -> None:
    async def misses(job: Job) -> None:
        await job.answer_all(0x0110, Failure("BlobMissing", ""))

    taken = site.employ(misses)
    async with site.forwarding():
        await site.announce(site.ref(1))
        await taken.next()
        await site.done()
    assert len(taken.jobs) == 1
    assert await site.dead() == []


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two images of one series."""
    return make_series(tmp_path_factory.mktemp("series"), 2)


async def refs_of(site: Site, series: list[Path]) -> list[BlobRef]:
    """Let a study be in the inbox, and give what its list names."""
    (state,) = await arrived(site.bus, site.blobs, site.inbox, series)
    site.study = state.study
    contents = await ContentsStore(site.blobs).load(state.contents)
    return [row.blob for row in contents.rows.values()]


async def test_what_is_lost_becomes_a_dead_letter(site: Site, series: list[Path]) -> None:
    """Its list still names it: nobody deleted it."""
    refs = await refs_of(site, series)

    async def misses(job: Job) -> None:
        await job.answer_all(0x0110, Failure("BlobMissing", ""))

    site.employ(misses)
    async with site.forwarding(max_attempts=1):
        await site.announce(*refs, site.ref(9))
        (buried,) = await until(site.dead, bool)
        await site.done()
    assert sorted(uids(*buried.forwarding.blobs)) == sorted(uids(*refs))
    assert buried.letter.reason == "2 x 0110 (BlobMissing)"


async def test_a_list_that_is_lost_does_not_make_the_destination_away(site: Site, series: list[Path]) -> None:
    """Nobody can say whether what is missing was deleted: so it is told."""
    refs = await refs_of(site, series)
    state = (await States(site.bus).get(site.inbox, site.study)).state
    assert state.contents is not None
    await site.blobs.delete(state.contents)

    async def misses(job: Job) -> None:
        await job.answer_all(0x0110, Failure("BlobMissing", ""))

    taken = site.employ(misses)
    async with site.forwarding(max_attempts=1):
        await site.announce(*refs)
        (buried,) = await until(site.dead, bool)
        await site.done()
    assert len(taken.jobs) == 1
    assert buried.letter.reason == "2 x 0110 (BlobMissing)"


async def test_who_never_got_a_study_gets_all_of_it_when_it_is_amended(
    site: Site, series: list[Path]
) -> None:
    first, second = await refs_of(site, series)
    taken = site.employ()
    async with site.forwarding({"calling_ae_title": "CT1"}):
        await site.announce(first, calling_ae_titles=("MR1",))
        await site.announce(second, revision=2, calling_ae_titles=("MR1", "CT1"))
        assert sorted(await taken.next()) == sorted(uids(first, second))
        await site.noted()
        await site.announce(second, revision=3, calling_ae_titles=("MR1", "CT1"))
        assert await taken.next() == uids(second)


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
