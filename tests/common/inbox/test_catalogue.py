"""The catalogue with inboxes: what is in them is as it is listed, now."""

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.errors import BlobMissing, BusUnavailable
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.inbox.contents import ContentsStore
from isthmus.common.inbox.remove import remove
from isthmus.common.inbox.state import States, StudyState
from isthmus.common.messages import Delete, Retrieve
from isthmus.common.retrieval import Catalogue, Manifest
from tests.common.inbox.studies import arrived
from tests.data_sets import make_series


@pytest.fixture
async def study(bus: Bus, blobs: BlobStore, origin_name: str, tmp_path: Path) -> StudyState:
    (state,) = await arrived(bus, blobs, origin_name, make_series(tmp_path, 2))
    return state


@pytest.fixture
def catalogue(bus: Bus, blobs: BlobStore, origin_name: str) -> CatalogueWithInboxes:
    return CatalogueWithInboxes(blobs, bus, (origin_name,))


async def test_a_study_of_an_inbox_is_whole(catalogue: CatalogueWithInboxes, study: StudyState) -> None:
    assert catalogue.is_the_origin(study.origin)
    manifest = await catalogue.load(study.origin, study.study)
    assert manifest is not None
    wanted = Retrieve(study.origin, study.study)
    assert manifest.covers(wanted, 0)
    assert len(list(manifest.blobs(wanted))) == 2
    assert not manifest.covers(replace(wanted, series="1.2.3"), 0)


async def test_it_is_as_it_is_now(
    bus: Bus, blobs: BlobStore, catalogue: CatalogueWithInboxes, study: StudyState, tmp_path: Path
) -> None:
    before = await catalogue.load(study.origin, study.study)
    assert await catalogue.load(study.origin, study.study) is before
    await arrived(bus, blobs, study.origin, make_series(tmp_path, 1, study_uid=study.study, seed=1))
    after = await catalogue.load(study.origin, study.study)
    assert after is not None
    assert len(after.series) == 2
    await remove(bus, blobs, Delete(study.origin, study.study))
    assert await catalogue.load(study.origin, study.study) is None


async def test_of_many_studies_only_some_manifests_stay_made(
    bus: Bus,
    blobs: BlobStore,
    catalogue: CatalogueWithInboxes,
    study: StudyState,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("isthmus.common.inbox.catalogue.REMEMBERED", 3)
    (other,) = await arrived(bus, blobs, study.origin, make_series(tmp_path / "other", 2, seed=1))
    first = await catalogue.load(study.origin, study.study)
    assert await catalogue.load(study.origin, other.study) is not None
    again = await catalogue.load(study.origin, study.study)
    assert again is not first
    assert again is not None
    assert len(list(again.blobs(Retrieve(study.origin, study.study)))) == 2


async def test_a_list_that_is_replaced_while_it_is_read_is_read_anew(
    bus: Bus, blobs: BlobStore, study: StudyState, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, load = States(bus), ContentsStore.load

    async def load_late(lists: ContentsStore, key: str | None) -> object:
        if key == study.contents:
            found = await states.get(study.origin, study.study)
            contents = await load(lists, key)
            new = await lists.save(study.origin, study.study, contents)
            assert await states.put(replace(found.state, contents=new), found.revision) is not None
            await lists.drop(key)
        return await load(lists, key)

    monkeypatch.setattr(ContentsStore, "load", load_late)
    manifest = await CatalogueWithInboxes(blobs, bus, (study.origin,)).load(study.origin, study.study)
    assert manifest is not None
    assert len(list(manifest.blobs(Retrieve(study.origin, study.study)))) == 2


async def test_a_list_that_is_lost_is_not_an_empty_one(
    blobs: BlobStore, catalogue: CatalogueWithInboxes, study: StudyState
) -> None:
    await blobs.delete(study.contents or "")
    with pytest.raises(BlobMissing):
        await catalogue.load(study.origin, study.study)


async def test_blobs_that_are_lost_are_told_and_nothing_is_forgotten(
    bus: Bus, blobs: BlobStore, catalogue: CatalogueWithInboxes, study: StudyState
) -> None:
    manifest = await catalogue.load(study.origin, study.study)
    assert manifest is not None
    first, _ = manifest.blobs(Retrieve(study.origin, study.study))
    with capture_logs() as silent:
        await catalogue.mend(study.origin, study.study)
    await blobs.delete(first.key)
    with capture_logs() as logged:
        await catalogue.mend(study.origin, study.study)
    assert silent == []
    assert [(one["event"], one["instances"]) for one in logged] == [("blobs of an inbox lost", 1)]
    assert (await States(bus).get(study.origin, study.study)).state == study


async def test_other_origins_are_as_without_inboxes(
    blobs: BlobStore, catalogue: CatalogueWithInboxes
) -> None:
    manifest = Manifest("pacs", "1.2.3")
    await Catalogue(blobs).save(manifest)
    assert await catalogue.load("pacs", "1.2.3") == manifest
    assert not catalogue.is_the_origin("pacs")


async def test_without_nats_nobody_knows_what_is_there(
    bus: Bus, catalogue: CatalogueWithInboxes, origin_name: str
) -> None:
    await bus.client.close()
    with pytest.raises(BusUnavailable):
        await catalogue.load(origin_name, "1.2.3")
