"""Deletion by the worker, also of what a worker that died has begun."""

from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import inbox_prefix
from isthmus.common.bus import Bus, subjects
from isthmus.common.inbox.index import Index
from isthmus.common.inbox.remove import Remover
from isthmus.common.inbox.state import Removal, States, StudyState
from isthmus.common.messages import Delete, Deleted
from isthmus.web_scu.inbox.delete import finish_all
from tests.common.inbox.studies import arrived, study_of


@pytest.mark.usefixtures("served")
async def test_it_deletes_what_it_is_asked_to(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    await arrived(bus, blobs, origin_name, files)
    delete = Delete(origin_name, study_of(files[0]))
    assert await bus.request(subjects.delete(origin_name), delete, Deleted) == Deleted(5)
    assert await bus.request(subjects.delete(origin_name), delete, Deleted) == Deleted(0)


async def test_what_a_worker_that_died_has_begun_is_brought_to_its_end(
    bus: Bus, blobs: BlobStore, origin_name: str, files: list[Path]
) -> None:
    study = study_of(files[0])
    await arrived(bus, blobs, origin_name, files)
    states = States(bus)
    found = await states.get(origin_name, study)
    killed = StudyState(origin_name, study, 1, removals=(Removal(1, 5),))
    assert await states.put(killed, found.revision) is not None
    index = Index(bus)
    async with index.following():
        await finish_all(Remover(bus, blobs), index)
    assert not [listed async for listed in blobs.list(inbox_prefix(origin_name, study))]
    assert [listed async for listed in blobs.list(inbox_prefix(origin_name, study_of(files[5])))]
    assert (await states.get(origin_name, study)).state == StudyState(origin_name, study, 1)
