"""Deletion: what is gone is gone, what is left is whole, and what comes again is new."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import contents_key, derived_key, inbox_key, inbox_prefix, life_of_key
from isthmus.common.bus import Bus
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.deposit import Deposits
from isthmus.common.inbox.remove import Remover, is_deleted, remove
from isthmus.common.inbox.state import Arrival, Phase, Removal, States, StudyState
from isthmus.common.messages import Delete, Deleted, Retrieve
from isthmus.common.threads import Threads
from isthmus.web_scu.inbox.head import incoming
from tests.common.inbox.studies import arrived, event_of, inbox_of, study_of
from tests.data_sets import make_series


@pytest.fixture(scope="module")
def two_series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two series of one study, of two images and of one."""
    first = make_series(tmp_path_factory.mktemp("one"), 2)
    (second,) = make_series(tmp_path_factory.mktemp("two"), 1, study_uid=study_of(first[0]), seed=1)
    return [*first, second]


@pytest.fixture
async def study(bus: Bus, blobs: BlobStore, origin_name: str, two_series: list[Path]) -> StudyState:
    """The study, arrived and announced."""
    (state,) = await arrived(bus, blobs, origin_name, two_series, Arrival(Phase.SETTLED, 1))
    return state


@pytest.fixture
async def away() -> AsyncIterator[BlobStore]:
    """S3 that is away."""
    threads = Threads("away", 1)
    yield BlobStore("127.0.0.1:1", "", "", "none", threads=threads, deadline=0.2)
    threads.close()


async def keys_under(blobs: BlobStore, prefix: str) -> set[str]:
    return {listed.key async for listed in blobs.list(prefix)}


async def keys_of(blobs: BlobStore, study: StudyState) -> set[str]:
    return await keys_under(blobs, inbox_prefix(study.origin, study.study))


async def test_of_a_deleted_study_nothing_is_left_but_that_it_was_there(
    bus: Bus, blobs: BlobStore, study: StudyState
) -> None:
    derived = derived_key(study.origin, study.study, study.series[0].uid, "metadata")
    await blobs.put(derived, b"made of it")
    assert await remove(bus, blobs, Delete(study.origin, study.study)) == Deleted(3)
    assert not await keys_of(blobs, study)
    assert await blobs.find(derived) is None
    assert study.contents is not None
    assert await blobs.find(study.contents) is None
    found = (await States(bus).get(study.origin, study.study)).state
    assert found == StudyState(
        study.origin,
        study.study,
        life=1,
        arrival=Arrival(phase=Phase.SETTLED, last_stored=study.arrival.last_stored),
    )


async def test_what_is_not_there_cannot_be_deleted(bus: Bus, blobs: BlobStore, study: StudyState) -> None:
    nothing = Deleted(0)
    assert await remove(bus, blobs, Delete(study.origin, "1.2.3")) == nothing
    assert await remove(bus, blobs, Delete(study.origin, study.study, "1.2.3")) == nothing
    series = study.series[0].uid
    assert await remove(bus, blobs, Delete(study.origin, study.study, series, "1.2.3")) == nothing
    assert (await States(bus).get(study.origin, study.study)).state == study


async def test_an_instance_is_looked_for_in_its_series_alone(
    bus: Bus, blobs: BlobStore, study: StudyState
) -> None:
    manifest = await CatalogueWithInboxes(blobs, bus, (study.origin,)).load(study.origin, study.study)
    assert manifest is not None
    first, *_, last = manifest.blobs(Retrieve(study.origin, study.study))
    delete = Delete(study.origin, study.study, last.series_instance_uid, first.sop_instance_uid)
    assert await remove(bus, blobs, delete) == Deleted(0)


async def test_the_rest_of_a_study_stays_whole_when_a_series_is_deleted(
    bus: Bus, blobs: BlobStore, study: StudyState
) -> None:
    gone, left = sorted(study.series, key=lambda one: -one.instances)
    kept = derived_key(study.origin, study.study, left.uid, "metadata")
    dropped = derived_key(study.origin, study.study, gone.uid, "metadata")
    for key in (kept, dropped):
        await blobs.put(key, b"made of it")
    catalogue = CatalogueWithInboxes(blobs, bus, (study.origin,))
    await catalogue.load(study.origin, study.study)
    assert await remove(bus, blobs, Delete(study.origin, study.study, gone.uid)) == Deleted(2)
    manifest = await catalogue.load(study.origin, study.study)
    assert manifest is not None
    assert [series.series_instance_uid for series in manifest.series] == [left.uid]
    blob_keys = {blob.key for blob in manifest.blobs(Retrieve(study.origin, study.study))}
    assert await keys_of(blobs, study) == blob_keys
    assert [await blobs.find(key) for key in (kept, dropped)] == [b"made of it", None]
    found = (await States(bus).get(study.origin, study.study)).state
    assert (found.instances, found.size, found.series, found.life) == (1, left.size, (left,), 1)
    assert found.attributes == study.attributes
    # What was announced stays so: a deletion is no news to be announced.
    assert found.arrival.phase is Phase.SETTLED
    assert (found.arrival.revision, found.arrival.announced) == (1, found.contents)


async def test_deleting_all_series_one_by_one_deletes_the_study(
    bus: Bus, blobs: BlobStore, study: StudyState
) -> None:
    for series in study.series:
        deleted = await remove(bus, blobs, Delete(study.origin, study.study, series.uid))
        assert deleted == Deleted(series.instances)
    found = (await States(bus).get(study.origin, study.study)).state
    assert (found.contents, found.life, found.arrival.revision) == (None, 2, 0)
    assert not await keys_of(blobs, study)


async def test_what_comes_again_after_a_deletion_is_new_and_stays(
    bus: Bus, blobs: BlobStore, study: StudyState, two_series: list[Path]
) -> None:
    data = two_series[0].read_bytes()
    deposits = Deposits(bus, blobs, "http://gateway")
    await remove(bus, blobs, Delete(study.origin, study.study))
    digest = (await event_of(blobs, "elsewhere", data)).digest
    new = incoming(data, len(data), digest)
    deposited = await deposits.deposit(inbox_of(study.origin), new, lambda key: blobs.put(key, data))
    assert deposited.is_new
    # Whoever finishes the deletion late, or once more, takes nothing of it.
    states = States(bus)
    found = await states.get(study.origin, study.study)
    late = StudyState(study.origin, study.study, 1, removals=(Removal(1, 3),))
    assert await states.put(late, found.revision) is not None
    await Remover(bus, blobs).finish(study.origin, study.study)
    (key,) = await keys_of(blobs, study)
    assert await blobs.get(key) == data
    assert life_of_key(key) == 1


async def test_a_deletion_that_was_broken_off_is_finished_by_who_asks_again(
    bus: Bus, blobs: BlobStore, study: StudyState
) -> None:
    contents = await blobs.get(study.contents or "")
    states = States(bus)
    # A process was killed behind its change of the record.
    killed = StudyState(
        study.origin,
        study.study,
        1,
        arrival=Arrival(Phase.SETTLED),
        removals=(Removal(1, 3, lists=(study.contents or "",)),),
    )
    found = await states.get(study.origin, study.study)
    assert await states.put(killed, found.revision) is not None
    assert await blobs.get(study.contents or "") == contents
    assert await remove(bus, blobs, Delete(study.origin, study.study, study.series[0].uid)) == Deleted(0)
    assert not await keys_of(blobs, study)
    assert await blobs.find(study.contents or "") is None
    assert (await states.get(study.origin, study.study)).state.removals == ()


async def test_asking_again_for_a_deletion_that_was_broken_off_tells_that_it_is_done(
    bus: Bus, blobs: BlobStore, study: StudyState
) -> None:
    states = States(bus)
    found = await states.get(study.origin, study.study)
    killed = StudyState(study.origin, study.study, 1, removals=(Removal(1, 3),))
    assert await states.put(killed, found.revision) is not None
    assert await remove(bus, blobs, Delete(study.origin, study.study)) == Deleted(3)
    assert await remove(bus, blobs, Delete(study.origin, study.study)) == Deleted(0)


async def test_without_s3_it_fails_and_asking_again_finishes_it(
    bus: Bus, blobs: BlobStore, away: BlobStore, study: StudyState
) -> None:
    for delete in (Delete(study.origin, study.study, "1.2.3"), Delete(study.origin, study.study)):
        deleted = await remove(bus, away, delete)
        assert deleted.instances == 0
        assert deleted.failure is not None
        assert deleted.failure.kind == "StoreUnavailable"
    assert len(await keys_of(blobs, study)) == 3
    assert await remove(bus, blobs, Delete(study.origin, study.study)) == Deleted(3)
    assert not await keys_of(blobs, study)


async def test_a_study_whose_list_is_lost_can_be_deleted(
    bus: Bus, blobs: BlobStore, study: StudyState
) -> None:
    await blobs.delete(study.contents or "")
    assert await remove(bus, blobs, Delete(study.origin, study.study)) == Deleted(3)
    assert not await keys_of(blobs, study)


async def test_other_contents_of_an_instance_go_with_it_wherever_they_are(
    bus: Bus, blobs: BlobStore, study: StudyState, two_series: list[Path]
) -> None:
    who = incoming(two_series[0].read_bytes(), 0, "").identity
    states, lists = States(bus), ContentsStore(blobs)
    found = await states.get(study.origin, study.study)
    contents = await lists.load(found.state.contents)
    row = contents.rows[who.sop_instance_uid]
    # It came before, as a part of another series, and with other bytes.
    other = replace(row.blob, key=inbox_key(study.origin, study.study, "1.2.3", who.sop_instance_uid, "d"))
    await blobs.put(other.key, b"other bytes")
    changed = contents.with_rows({who.sop_instance_uid: replace(row, others=(other,))})
    key = await lists.save(study.origin, study.study, changed)
    assert await states.put(replace(found.state, contents=key), found.revision) is not None
    delete = Delete(study.origin, study.study, who.series_instance_uid, who.sop_instance_uid)
    assert await remove(bus, blobs, delete) == Deleted(1)
    left = {blob.key for one in contents.rows.values() for blob in (one.blob,)} - {row.blob.key}
    assert await keys_of(blobs, study) == left


async def test_two_who_delete_and_one_who_adds_lose_nothing_of_each_other(
    bus: Bus, blobs: BlobStore, study: StudyState, tmp_path: Path
) -> None:
    more = make_series(tmp_path, 1, study_uid=study.study, seed=2)
    first, second = study.series
    results = await asyncio.gather(
        remove(bus, blobs, Delete(study.origin, study.study, first.uid)),
        remove(bus, blobs, Delete(study.origin, study.study, second.uid)),
        remove(bus, blobs, Delete(study.origin, study.study, second.uid)),
    )
    assert results[0] == Deleted(first.instances)
    assert max(result.instances for result in results[1:]) == second.instances
    await arrived(bus, blobs, study.origin, more)
    found = (await States(bus).get(study.origin, study.study)).state
    assert (found.instances, found.life, found.removals) == (1, 2, ())
    assert len(await keys_of(blobs, study)) == 1
    # No list is left that nobody needs.
    prefix = contents_key(study.origin, study.study, "").removesuffix("%")
    assert await keys_under(blobs, prefix) == {found.contents}


async def test_an_event_that_comes_behind_the_deletion_of_its_instance_is_known_for_it(
    bus: Bus, blobs: BlobStore, origin_name: str, two_series: list[Path]
) -> None:
    event = await event_of(blobs, origin_name, two_series[0].read_bytes())
    now = StudyState(origin_name, event.study)
    assert not await is_deleted(blobs, now, event.blob.key)
    # Another series was deleted: this one is not.
    other = StudyState(origin_name, event.study, 1, removals=(Removal(1, 1, "1.2.3"),))
    assert not await is_deleted(blobs, other, event.blob.key)
    # It is about to be deleted.
    of_its_series = Removal(1, 1, event.series)
    doomed = StudyState(origin_name, event.study, 1, removals=(of_its_series,))
    assert await is_deleted(blobs, doomed, event.blob.key)
    by_name = Removal(1, 1, "1.2.3", elsewhere=(event.blob.key,))
    named = StudyState(origin_name, event.study, 1, removals=(by_name,))
    assert await is_deleted(blobs, named, event.blob.key)
    # What was written afterwards is not.
    assert not await is_deleted(blobs, doomed, event.blob.key.replace(".dcm", ".1.dcm"))
    # It is deleted.
    await blobs.delete(event.blob.key)
    assert await is_deleted(blobs, StudyState(origin_name, event.study, 1), event.blob.key)
