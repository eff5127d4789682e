"""The worked example of docs/extend.md: a folder of files is an origin, to whoever asks on the bus."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.echo import echo
from isthmus.common.bus.search import search
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.errors import NoSuchObject, OperationFailed, OriginUnreachable
from isthmus.common.messages import Query, Retrieve
from isthmus.common.retrieval import Retrieval
from tests.data_sets import identity, make_series
from tests.documents.blocks import ROOT, Content, blocks
from tests.documents.folder_origin import Folder, folder_worker
from tests.waiting import PATIENCE

PAGE: Final = ROOT / "docs" / "extend.md"
EXAMPLE: Final = (ROOT / "tests" / "documents" / "folder_origin.py").read_text()
STUDY, SERIES, INSTANCE = (tag_of(f"{one}InstanceUID") for one in ("Study", "Series", "SOP"))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three images of one study, and one of another."""
    return [*make_series(tmp_path / "images", 3), *make_series(tmp_path / "images", 1, seed=1)]


@pytest.fixture
async def origin(
    bus: Bus, blobs: BlobStore, origin_name: str, tmp_path: Path, files: list[Path]
) -> AsyncIterator[str]:
    async with folder_worker(bus, blobs, Folder(origin_name, tmp_path / "images")):
        yield origin_name


async def found(bus: Bus, origin: str, level: Level, **keys: str) -> list[str]:
    """Search, and give the UIDs that were found."""
    wanted = tuple(MatchingKey((tag_of(name),), (value,)) for name, value in keys.items())
    tag = {Level.STUDY: STUDY, Level.SERIES: SERIES, Level.IMAGE: INSTANCE}[level]
    async with search(bus, Query(origin, level, wanted, ((tag,),)), silence=PATIENCE) as matches:
        return [str(match[tag]["Value"][0]) async for match in matches]


async def test_it_is_searched_at_every_level(bus: Bus, origin: str, files: list[Path]) -> None:
    first, *_, other = map(identity, files)
    assert sorted(await found(bus, origin, Level.STUDY)) == sorted(
        {first.study_instance_uid, other.study_instance_uid}
    )
    assert await found(bus, origin, Level.STUDY, Modality="MR") == []
    of_study = {"StudyInstanceUID": first.study_instance_uid}
    assert len(await found(bus, origin, Level.SERIES, **of_study)) == 1
    assert len(await found(bus, origin, Level.IMAGE, **of_study)) == 3


async def test_what_is_retrieved_is_what_lies_there(
    bus: Bus, blobs: BlobStore, origin: str, retrieval: Retrieval, files: list[Path]
) -> None:
    study = identity(files[0]).study_instance_uid
    async with retrieval.read(Retrieve(origin, study)) as reading:
        refs = [ref async for ref in reading]
    assert sorted([await blobs.get(ref.key) for ref in refs]) == sorted(
        file.read_bytes() for file in files[:3]
    )
    one = identity(files[3])
    wanted = Retrieve(origin, one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid)
    async with retrieval.read(wanted) as reading:
        assert [await blobs.get(ref.key) async for ref in reading] == [files[3].read_bytes()]


async def test_what_is_not_there_is_said_not_to_be(origin: str, retrieval: Retrieval) -> None:
    with pytest.raises(NoSuchObject):
        async with retrieval.read(Retrieve(origin, "2.25.404")):
            pass


async def test_a_file_that_cannot_be_read_fails_the_search_and_shortens_no_list(
    bus: Bus, origin: str, tmp_path: Path
) -> None:
    (tmp_path / "images" / "broken.dcm").write_bytes(b"no DICOM")
    with pytest.raises(OperationFailed, match="A file cannot be read"):
        await found(bus, origin, Level.STUDY)


async def test_it_says_whether_it_is_there(bus: Bus, origin: str, tmp_path: Path) -> None:
    assert (await echo(bus, origin, PATIENCE)).failure is None
    shutil.rmtree(tmp_path / "images")
    failure = (await echo(bus, origin, PATIENCE)).failure
    assert failure is not None
    assert isinstance(failure.error(), OriginUnreachable)


def test_what_the_page_shows_is_in_the_example_as_it_is_run() -> None:
    shown = [block for block in blocks(PAGE) if block.content is Content.PYTHON]
    assert len(shown) >= 3
    assert [block.where for block in shown if block.text not in EXAMPLE] == []
