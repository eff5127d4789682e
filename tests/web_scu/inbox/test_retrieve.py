"""Retrieve jobs of an inbox end at once: it is in the catalogue, or there is no such object."""

from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, progress, subjects
from isthmus.common.bus.jobs import Lane, is_queued, submit_retrieve
from isthmus.common.bus.streams import JOBS
from isthmus.common.errors import NoSuchObject
from isthmus.common.inbox.catalogue import CatalogueWithInboxes
from isthmus.common.messages import Retrieve, RetrieveDone, RetrieveStarted, retrieve_fact
from isthmus.common.retrieval import Retrieval
from tests.common.inbox.studies import arrived, study_of


async def end_of(bus: Bus, wanted: Retrieve, lane: Lane) -> RetrieveDone:
    submitted = await submit_retrieve(bus, wanted, lane)
    subject = subjects.progress(wanted.origin, wanted.study, submitted.generation)

    async def still_there() -> bool:
        return await is_queued(bus, JOBS, int(submitted.generation.rpartition("-")[2]))

    async with progress.follow(bus, subject, retrieve_fact, still_there) as facts:
        assert isinstance(await anext(facts), RetrieveStarted)
        done = await anext(facts)
    assert isinstance(done, RetrieveDone)
    return done


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("lane", list(Lane))
async def test_what_is_there_is_in_the_catalogue(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path], lane: Lane
) -> None:
    await arrived(bus, blobs, origin_name, files)
    done = await end_of(bus, Retrieve(origin_name, study_of(files[0])), lane)
    assert done == RetrieveDone(0, (), confirmed=True)


@pytest.mark.usefixtures("served")
async def test_what_is_not_there_is_no_such_object(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, files)
    for wanted in (
        Retrieve(origin_name, "1.2.3"),
        Retrieve(origin_name, study_of(files[0]), "1.2.3"),
        Retrieve(origin_name, study_of(files[0]), "1.2.3", "4"),
    ):
        done = await end_of(bus, wanted, Lane.INTERACTIVE)
        assert done.failure is not None
        assert done.failure.kind == "NoSuchObject"


async def test_readers_need_neither_job_nor_worker(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    catalogue = CatalogueWithInboxes(blobs, bus, (origin_name,))
    retrieval = Retrieval(bus, catalogue, 0)
    with pytest.raises(NoSuchObject):
        async with retrieval.read(Retrieve(origin_name, study_of(files[0]))):
            pass
    await arrived(bus, blobs, origin_name, files)
    async with retrieval.read(Retrieve(origin_name, study_of(files[0]))) as reading:
        keys = [blob.key async for blob in reading]
    assert sorted([await blobs.get(key) for key in keys]) == sorted(file.read_bytes() for file in files[:5])
    await retrieval.prefetch(origin_name, "1.2.3")
    manifest = await catalogue.load(origin_name, study_of(files[0]))
    assert await catalogue.load(origin_name, study_of(files[0])) is manifest
