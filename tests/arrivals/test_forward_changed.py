"""What was replaced, deleted or lost while it waits for its destination; what goes when a study changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.state import States
from isthmus.common.messages import Failure
from tests.arrivals.forwards import REFUSED, Site, refs_of, site_of, uids
from tests.common.inbox.studies import arrived
from tests.data_sets import make_series
from tests.stow.worker import Job
from tests.waiting import until


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two images of one series."""
    return make_series(tmp_path_factory.mktemp("series"), 2)


@pytest.fixture
async def site(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[Site]:
    async with site_of(bus, blobs, origin_name) as site:
        yield site


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
        (buried,) = await until(site.dead)
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


async def test_what_is_lost_becomes_a_dead_letter(site: Site, series: list[Path]) -> None:
    """Its list still names it: nobody deleted it."""
    refs = await refs_of(site, series)

    async def misses(job: Job) -> None:
        await job.answer_all(0x0110, Failure("BlobMissing", ""))

    site.employ(misses)
    async with site.forwarding(max_attempts=1):
        await site.announce(*refs, site.ref(9))
        (buried,) = await until(site.dead)
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
        (buried,) = await until(site.dead)
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
