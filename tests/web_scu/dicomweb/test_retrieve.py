"""Retrieving from a DICOMweb server that nobody here wrote: Orthanc's plugin."""

import asyncio
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import RLELossless

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.config import DicomwebOrigin
from isthmus.common.errors import NoSuchObject, OriginUnreachable
from isthmus.common.messages import (
    Ahead,
    AheadTaken,
    InstanceReady,
    Retrieve,
    RetrieveFact,
    RetrieveStarted,
)
from tests.common.retrieving.facts import done, facts_of, following, ready
from tests.common.retrieving.whole import Reader
from tests.common.webclient.web_origin import Request
from tests.data_sets import identity, make_series, raw_dataset, raw_datasets
from tests.measured import measured
from tests.peers import Orthanc
from tests.peers.process import free_port
from tests.web_scu.dicomweb.conftest import Serve, dicomweb_of
from tests.web_scu.dicomweb.holding import Holding

Held = dict[str, dict[str, set[bytes]]]
"""The files by study and SOP Instance UID: two patients may have a study of the same UIDs."""


@pytest.fixture(scope="session")
def held(orthanc: Orthanc) -> Held:
    found: Held = defaultdict(lambda: defaultdict(set))
    for key, one in orthanc.held().items():
        found[one.study_instance_uid][one.sop_instance_uid].add(orthanc.file(key))
    return found


@pytest.fixture(scope="session")
def largest(held: Held) -> str:
    """The study of which there is most."""
    return max(held, key=lambda study: len(held[study]))


async def brought(blobs: BlobStore, facts: list[RetrieveFact]) -> dict[str, bytes]:
    """The files that came, by SOP Instance UID."""
    came = [fact.blob for fact in facts if isinstance(fact, InstanceReady)]
    return {blob.sop_instance_uid: await blobs.get(blob.key) for blob in came}


def is_as_held(came: bytes, files: set[bytes]) -> bool:
    """Whether it is one of these files; one without a header has got one."""
    with_header = {file for file in files if file[128:132] == b"DICM"}
    return came in with_header or raw_dataset(came) in {raw_dataset(file) for file in files - with_header}


async def test_each_study_comes_whole_and_byte_for_byte(
    bus: Bus, blobs: BlobStore, cloud: DicomwebOrigin, held: Held
) -> None:
    for study, files in held.items():
        facts = await facts_of(bus, Retrieve(cloud.name, study))
        end = done(facts)
        assert (end.completed, end.missing, end.failure, end.unlisted) == (len(files), (), None, False)
        came = await brought(blobs, facts)
        assert came.keys() == files.keys()
        assert all(is_as_held(came[uid], files[uid]) for uid in files)


@pytest.fixture
def read(bus: Bus, blobs: BlobStore) -> Reader:
    """Reads all of something, as a face does; asks the origin each time whether all is as it was."""
    return Reader(bus, blobs)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of two series, of 4 and 3 instances."""
    directory = tmp_path_factory.mktemp("two-series")
    first = make_series(directory, 4, seed=920)
    second = make_series(directory, 3, seed=921, study_uid=identity(first[0]).study_instance_uid)
    return [*first, *second]


@pytest.fixture
async def study(serve: Serve, origin_name: str, empty_orthanc: Orthanc, images: list[Path]) -> Retrieve:
    """All of it."""
    empty_orthanc.load(images)
    await serve(origin_name, dicomweb_of(empty_orthanc))
    return Retrieve(origin_name, identity(images[0]).study_instance_uid)


async def test_a_series_is_brought_alone(study: Retrieve, images: list[Path], read: Reader) -> None:
    wanted = replace(study, series=identity(images[0]).series_instance_uid)
    assert await read(wanted) == raw_datasets(images[:4])
    labels = {"dicom_origin": study.origin, "isthmus_method": "wado"}
    assert measured("isthmus_retrieve_instances_total", **labels) == 4
    assert (measured("isthmus_retrieve_size_bytes_total", **labels) or 0) > sum(
        map(len, raw_datasets(images[:4]).values())
    )
    assert measured("isthmus_origin_up", dicom_origin=study.origin) == 1


async def test_an_instance_is_brought_alone(study: Retrieve, images: list[Path], read: Reader) -> None:
    one = identity(images[5])
    wanted = replace(study, series=one.series_instance_uid, instance=one.sop_instance_uid)
    assert await read(wanted) == raw_datasets(images[5:6])
    assert await read(study) == raw_datasets(images)


@pytest.mark.parametrize("level", ["study", "series", "instance"])
async def test_what_the_server_does_not_have_is_not_there(
    study: Retrieve, images: list[Path], read: Reader, level: str
) -> None:
    one = identity(images[0])
    whole = replace(study, series=one.series_instance_uid, instance=one.sop_instance_uid)
    with pytest.raises(NoSuchObject):
        await read(replace(whole, **{level: "1.2.3"}))


async def test_what_is_new_at_the_server_comes_and_what_is_gone_there_is_gone(
    study: Retrieve, empty_orthanc: Orthanc, images: list[Path], read: Reader
) -> None:
    assert await read(study) == raw_datasets(images)
    empty_orthanc.delete_all()
    empty_orthanc.load(images[2:])
    assert await read(study) == raw_datasets(images[2:])
    empty_orthanc.load(images[:2])
    assert await read(study) == raw_datasets(images)
    empty_orthanc.delete_all()
    with pytest.raises(NoSuchObject):
        await read(study)


async def test_a_server_that_is_away_is_no_empty_server(
    serve: Serve, origin_name: str, images: list[Path], read: Reader
) -> None:
    await serve(origin_name, f"http://127.0.0.1:{free_port()}/dicom-web")
    with pytest.raises(OriginUnreachable):
        await read(Retrieve(origin_name, identity(images[0]).study_instance_uid))


async def test_compressed_instances_come_as_they_are_held(
    serve: Serve, origin_name: str, empty_orthanc: Orthanc, read: Reader, tmp_path: Path
) -> None:
    compressed = make_series(tmp_path, 2, seed=922, transfer_syntax=RLELossless)
    empty_orthanc.load(compressed)
    await serve(origin_name, dicomweb_of(empty_orthanc))
    study = Retrieve(origin_name, identity(compressed[0]).study_instance_uid)
    assert await read(study) == raw_datasets(compressed)


async def test_what_is_wanted_ahead_comes_before_the_rest(
    bus: Bus, serve: Serve, origin_name: str, images: list[Path]
) -> None:
    first, last = identity(images[0]), identity(images[6])
    series = f"studies/{first.study_instance_uid}/series/{first.series_instance_uid}"
    is_there = asyncio.Event()
    async with Holding.of(images) as holding:
        proper = holding.whole(series)

        async def waits(request: Request, writer: asyncio.StreamWriter) -> None:
            await is_there.wait()
            await proper(request, writer)

        await serve(origin_name, holding.url, connections=2)
        holding.does(series, waits)
        came = []
        wanted = Retrieve(origin_name, first.study_instance_uid)
        async with following(bus, wanted) as facts:
            async for fact in facts:
                came.append(fact)
                if isinstance(fact, RetrieveStarted):
                    ahead = Ahead(last.series_instance_uid, last.sop_instance_uid)
                    await bus.request(subjects.ahead(wanted.origin, wanted.study), ahead, AheadTaken)
                if last.sop_instance_uid in ready(came):
                    is_there.set()
    assert ready(came)[0] == last.sop_instance_uid
    assert done(came).completed == 7
