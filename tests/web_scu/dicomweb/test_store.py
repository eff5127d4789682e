"""Storing to a DICOMweb server: what a job names arrives as it is, and each instance has its own answer."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore, spool_key
from isthmus.common.bus import Bus
from isthmus.common.bus.stores import new_job, run_store
from isthmus.common.config import DicomwebOrigin
from isthmus.common.messages import BlobRef, InstanceStored, Store
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Orthanc
from tests.web_scu.dicomweb.conftest import Serve, dicomweb_of


@pytest.fixture
async def taker(serve: Serve, origin_name: str, empty_orthanc: Orthanc) -> DicomwebOrigin:
    """An Orthanc that holds nothing."""
    return await serve(origin_name, dicomweb_of(empty_orthanc))


async def job_of(blobs: BlobStore, origin: str, files: Sequence[Path]) -> Store:
    """Put files into the spool, where a face does, and name them in a job."""
    job, refs = new_job(), []
    for number, file in enumerate(files):
        key, data, who = spool_key(job, number), file.read_bytes(), identity(file)
        await blobs.put(key, data)
        uids = (who.study_instance_uid, who.series_instance_uid, who.sop_instance_uid)
        refs.append(BlobRef(blobs.bucket, key, len(data), *uids, "1.2.840.10008.5.1.4.1.1.2", "1.2"))
    return Store(origin, job, tuple(refs))


async def results_of(bus: Bus, store: Store) -> list[InstanceStored]:
    async with run_store(bus, store) as results:
        return sorted([one async for one in results], key=lambda one: one.index)


def statuses(results: Sequence[InstanceStored]) -> list[tuple[int, int, str | None]]:
    return [(one.index, one.status, one.failure and one.failure.kind) for one in results]


async def test_what_is_stored_is_there_as_it_was_sent(
    bus: Bus, blobs: BlobStore, taker: DicomwebOrigin, empty_orthanc: Orthanc, tmp_path: Path
) -> None:
    files = [*make_series(tmp_path / "one", 3), *make_series(tmp_path / "two", 2, seed=1)]
    results = await results_of(bus, await job_of(blobs, taker.name, files))
    assert statuses(results) == [(index, 0x0000, None) for index in range(5)]
    held = {one.sop_instance_uid: key for key, one in empty_orthanc.held().items()}
    for file in files:
        sent = tmp_path / "sent.dcm"
        sent.write_bytes(empty_orthanc.file(held[identity(file).sop_instance_uid]))
        assert raw_dataset(sent) == raw_dataset(file)
