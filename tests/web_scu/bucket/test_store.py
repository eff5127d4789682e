"""Storing into a bucket: by the pattern, byte for byte, and nothing that is there is overwritten."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import UID, ImplicitVRLittleEndian

from isthmus.common.blobs import PART, BlobStore, spool_key
from isthmus.common.blobs.store import ListedBlob
from isthmus.common.bus import Bus
from isthmus.common.bus.stores import new_job, run_store
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import BlobRef, InstanceStored, Store
from tests.data_sets import make_series, with_sop_instance_uid
from tests.web_scu.bucket.objects import Archive, place_of, study_of

SUCCESS = 0x0000
DUPLICATE = 0x0111

pytestmark = pytest.mark.usefixtures("served")


async def stored(bus: Bus, archive: Archive, files: Sequence[bytes]) -> list[InstanceStored]:
    """Store files as stow would."""
    job, refs, blobs = new_job(), [], archive.blobs
    for number, data in enumerate(files):
        key = spool_key(job, number)
        await blobs.put(key, data)
        refs.append(BlobRef(blobs.bucket, key, len(data), "1", "2", "3", "4", "5"))
    async with run_store(bus, Store(archive.origin.name, job, tuple(refs))) as results:
        return sorted([one async for one in results], key=lambda one: one.index)


def with_source(file: Path, ae_title: str) -> bytes:
    """Give a file as it is when another application entity had it last (PS3.10 7.1)."""
    ds = dcmread(file)
    ds.file_meta.SourceApplicationEntityTitle = ae_title
    return written(ds)


def with_transfer_syntax(file: Path, transfer_syntax: str) -> bytes:
    """Give a file whose header names another transfer syntax."""
    ds = dcmread(file)
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    return written(ds)


def written(ds: Dataset) -> bytes:
    file = BytesIO()
    ds.save_as(file, implicit_vr=ds.file_meta.TransferSyntaxUID.is_implicit_VR, little_endian=True)
    return file.getvalue()


async def test_it_lies_where_the_pattern_says_and_is_there_at_once(
    bus: Bus, archive: Archive, files: list[Path]
) -> None:
    data = [file.read_bytes() for file in files]
    assert [one.status for one in await stored(bus, archive, data)] == [SUCCESS] * len(files)
    for file in files:
        assert await archive.bucket.get(archive.key_of(file)) == file.read_bytes()
    assert await archive.contents(study_of(files[0])) == sorted(data[:5])


async def test_a_study_that_comes_instance_by_instance_is_not_listed_for_each(
    bus: Bus, archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files, listed, listing = make_series(tmp_path, 40), [], BlobStore.list

    def noting(
        self: BlobStore, prefix: str, *, deadline: float | None = None
    ) -> AsyncGenerator[ListedBlob, None]:
        listed.append(prefix)
        return listing(self, prefix, deadline=deadline)

    monkeypatch.setattr(BlobStore, "list", noting)

    async def store(file: bytes) -> None:
        (result,) = await stored(bus, archive, [file])
        assert result.status == SUCCESS
        there = {ref.sop_instance_uid for ref in await archive.held(place_of(file).study)}
        assert place_of(file).instance in there

    await asyncio.gather(*(store(file.read_bytes()) for file in files))
    assert len([prefix for prefix in listed if study_of(files[0]) in prefix]) < len(files) / 2


async def test_what_was_deleted_since_it_was_seen_is_written_again(
    bus: Bus, archive: Archive, files: list[Path]
) -> None:
    for _ in range(2):
        (result,) = await stored(bus, archive, [files[0].read_bytes()])
        assert result.status == SUCCESS
        await archive.bucket.delete(archive.key_of(files[0]))
    (result, *_) = await stored(bus, archive, [file.read_bytes() for file in files[:2]])
    assert result.status == SUCCESS
    assert await archive.bucket.get(archive.key_of(files[0])) == files[0].read_bytes()


async def test_the_same_again_is_no_other(bus: Bus, archive: Archive, files: list[Path]) -> None:
    await archive.put(files[:2])
    results = await stored(bus, archive, [file.read_bytes() for file in files[:2]])
    assert [one.status for one in results] == [SUCCESS, SUCCESS]


@pytest.mark.parametrize("suffix", ["", ".dcm"])
async def test_the_same_data_set_from_another_sender_is_no_other(
    bus: Bus, archive: Archive, files: list[Path], suffix: str
) -> None:
    key = archive.key_of(files[0]) + suffix
    await archive.bucket.put(key, files[0].read_bytes())
    other = with_source(files[0], "ROUTER")
    assert other != files[0].read_bytes()
    (result,) = await stored(bus, archive, [other])
    assert result.status == SUCCESS
    assert await archive.bucket.get(key) == files[0].read_bytes()


async def test_the_same_data_set_in_another_transfer_syntax_is_another_one(
    bus: Bus, archive: Archive, files: list[Path]
) -> None:
    await archive.put(files[:1])
    other = with_transfer_syntax(files[0], ImplicitVRLittleEndian)
    (result,) = await stored(bus, archive, [other])
    assert result.status == DUPLICATE


async def test_another_one_of_the_same_uid_is_refused(bus: Bus, archive: Archive, files: list[Path]) -> None:
    (key,) = await archive.put(files[:1])
    other = files[0].read_bytes()[:-2] + b"xy"
    (result,) = await stored(bus, archive, [other])
    assert (result.status, result.failure and result.failure.kind) == (DUPLICATE, "OperationFailed")
    assert await archive.bucket.get(key) == files[0].read_bytes()


async def test_of_two_with_one_uid_that_come_together_one_is_refused(
    bus: Bus, archive: Archive, files: list[Path]
) -> None:
    ds = dcmread(files[0])
    ds.SeriesInstanceUID = "1.2.3.4"
    results = await stored(bus, archive, [files[0].read_bytes(), written(ds)])
    assert sorted(one.status for one in results) == [SUCCESS, DUPLICATE]
    assert len(await archive.held(study_of(files[0]))) == 1


async def test_what_lies_under_another_key_is_there_too(
    bus: Bus, archive: Archive, files: list[Path]
) -> None:
    key = archive.key_of(files[0])
    await archive.bucket.put(f"{key}.dcm", files[0].read_bytes())
    other = files[0].read_bytes()[:-2] + b"xy"
    results = await stored(bus, archive, [files[0].read_bytes(), other])
    assert [one.status for one in results] == [SUCCESS, DUPLICATE]
    assert await archive.bucket.size(key) is None


async def test_what_is_large_is_stored_and_never_overwritten_too(
    bus: Bus, archive: Archive, tmp_path: Path
) -> None:
    (file,) = make_series(tmp_path, 1, rows=2304, columns=2304)
    data = file.read_bytes()
    assert len(data) > PART
    other = data[:-2] + b"xy"
    assert [one.status for one in await stored(bus, archive, [data])] == [SUCCESS]
    results = await stored(bus, archive, [data, other])
    assert [one.status for one in results] == [SUCCESS, DUPLICATE]
    assert await archive.bucket.get(archive.key_of(file)) == data


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda data: b"no DICOM" * 100, 0xC000),
        (lambda data: with_sop_instance_uid(data, "1.2/3"), 0x0117),
        (lambda data: b"", 0xC000),
    ],
)
async def test_what_cannot_be_stored_says_why_and_the_rest_is_stored(
    bus: Bus, archive: Archive, files: list[Path], spoil: Callable[[bytes], bytes], status: int
) -> None:
    data = [files[0].read_bytes(), spoil(files[1].read_bytes()), files[2].read_bytes()]
    results = await stored(bus, archive, data)
    assert [one.status for one in results] == [SUCCESS, status, SUCCESS]
    assert results[1].failure is not None


async def test_where_we_may_not_write_nothing_is_acknowledged(
    bus: Bus, archive: Archive, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: BlobStore, key: str, data: bytes) -> bool:
        raise StoreUnavailable("The bucket of 'archive': put: 403 AccessDenied")

    monkeypatch.setattr(BlobStore, "create", refused)
    results = await stored(bus, archive, [file.read_bytes() for file in files[:2]])
    assert [one.status for one in results] == [0x0110, 0x0110]
    assert {one.failure and one.failure.kind for one in results} == {"StoreUnavailable"}
