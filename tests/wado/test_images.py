"""What is said of images is read once, and a frame costs one read, whichever it is."""

import time
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from pathlib import Path

import httpx2
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from isthmus.common.blobs import BlobStore, derived_prefix
from isthmus.common.blobs.client import S3Client
from isthmus.common.blobs.download import Download
from isthmus.common.derived.images import Images, NoFrames
from isthmus.common.errors import BlobMissing, NoSuchObject, PixelsUnreadable, TooLarge
from isthmus.common.messages import BlobRef
from isthmus.common.retrieval import Catalogue, HeldInstance, HeldSeries, Manifest
from isthmus.common.threads import Threads
from isthmus.wado.sources.derived import Derived
from tests.data_sets import pydicom_files
from tests.wado.bodies import parts_of
from tests.wado.conftest import Employ
from tests.wado.worker import Job, put

MAX_FRAME_BYTES = 4 * 1024 * 1024


@pytest.fixture
async def images(blobs: BlobStore) -> AsyncIterator[Images]:
    threads = Threads("test-headers", 2)
    yield new_images(blobs, threads)
    threads.close()


def new_images(blobs: BlobStore, threads: Threads) -> Images:
    derived = Derived(blobs, threads)
    return Images(blobs, threads, derived.frame_indexes, derived.kept, MAX_FRAME_BYTES)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of what was read of S3."""
    keys: list[str] = []

    class Noted(Download):
        def __init__(
            self, client: S3Client, key: str, offset: int, length: int | None, version: str | None
        ) -> None:
            keys.append(key)
            super().__init__(client, key, offset, length, version)

    monkeypatch.setattr("isthmus.common.blobs.store.Download", Noted)
    return keys


def instance(
    syntax: str, frames: "np.ndarray[tuple[int, int, int], np.dtype[np.generic]]", **more: object
) -> bytes:
    """A native image of so many frames, rows and columns."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7.2", "1.2.3.4"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2", "1.2.3"
    ds.NumberOfFrames, ds.Rows, ds.Columns = frames.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = frames.itemsize * 8
    ds.HighBit = ds.BitsStored - 1
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    if syntax in (RLELossless, JPEG2000Lossless):
        ds.PixelData = encapsulate([frame.tobytes() for frame in frames], fragments_per_frame=3)
        ds["PixelData"].VR = "OB"
    else:
        ds.PixelData = frames.astype(
            frames.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")
        ).tobytes()
        ds["PixelData"].VR = "OW"
    file = BytesIO()
    pydicom.dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def frames_of(count: int, side: int = 32) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint16]]":
    return np.random.default_rng(0).integers(0, 65536, (count, side, side), np.uint16)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
async def test_each_frame_of_a_known_image_is_one_read(
    blobs: BlobStore, images: Images, origin_name: str, reads: list[str], syntax: str
) -> None:
    pixels = frames_of(1000)
    blob = await put(blobs, origin_name, instance(syntax, pixels))
    image = await images.open(blob)
    for number in (1, 900, 1000):
        reads.clear()
        assert await images.frame(await images.open(blob), number) == pixels[number - 1].tobytes()
        assert reads == [blob.key]
    with pytest.raises(NoSuchObject):
        await images.frame(image, 1001)


async def test_a_viewer_that_goes_through_frames_makes_one_read_for_each(
    client: httpx2.AsyncClient, blobs: BlobStore, origin_name: str, reads: list[str]
) -> None:
    pixels = frames_of(1000)
    blob = await put(blobs, origin_name, instance(ExplicitVRLittleEndian, pixels))
    now = time.time()
    series = HeldSeries(blob.series_instance_uid, (HeldInstance(blob, now),), 1, now)
    await Catalogue(blobs).save(Manifest(origin_name, blob.study_instance_uid, (series,), now))
    accept = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
    url = "1.2/series/1.2.3/instances/1.2.3.4/frames"
    assert (await client.get(f"{url}/1", headers=accept)).status_code == 200
    for number in (1, 2, 900):
        reads.clear()
        (part,) = parts_of(await client.get(f"{url}/{number}", headers=accept))
        assert part.content == pixels[number - 1].tobytes()
        assert reads == [blob.key]
    everywhere = client.base_url.join(f"/dicomweb/studies/{url}/3")
    (part,) = parts_of(await client.get(everywhere, headers=accept))
    assert part.content == pixels[2].tobytes()
    assert part.headers["Content-Location"] == str(everywhere)
    # What was just read of the study is no longer so.
    again = await put(blobs, origin_name, instance(ExplicitVRLittleEndian, pixels[::-1]))
    series = HeldSeries(blob.series_instance_uid, (HeldInstance(again, now),), 1, now)
    await Catalogue(blobs).save(Manifest(origin_name, blob.study_instance_uid, (series,), now))
    await blobs.delete(blob.key)
    (part,) = parts_of(await client.get(f"{url}/1", headers=accept))
    assert part.content == pixels[-1].tobytes()


async def test_the_head_is_all_but_the_pixels_in_explicit_little_endian(
    blobs: BlobStore, images: Images, origin_name: str
) -> None:
    group = Dataset()
    group.WindowCenter = "40"
    content = instance(
        ExplicitVRBigEndian,
        frames_of(2),
        PatientName="Doe^Jane",
        SharedFunctionalGroupsSequence=[Dataset()],
        PerFrameFunctionalGroupsSequence=[group, Dataset()],
        ICCProfile=bytes(100_000),
    )
    image = await images.open(await put(blobs, origin_name, content))
    head = pydicom.dcmread(BytesIO(image.head))
    assert head.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert head.PerFrameFunctionalGroupsSequence[0].WindowCenter == 40
    assert (head.PatientName, len(head.ICCProfile), head.Rows) == ("Doe^Jane", 100_000, 32)
    assert "PixelData" not in head
    assert (image.description.rows, image.is_native) == (32, True)
    assert image.description.transfer_syntax_uid == ExplicitVRLittleEndian


async def test_the_head_has_no_large_private_elements(
    blobs: BlobStore, images: Images, origin_name: str
) -> None:
    ds = pydicom.dcmread(BytesIO(instance(ExplicitVRLittleEndian, frames_of(1))))
    block = ds.private_block(0x0009, "TEST", create=True)
    block.add_new(0x01, "OB", bytes(200_000))
    block.add_new(0x02, "LO", "short")
    file = BytesIO()
    pydicom.dcmwrite(file, ds)
    image = await images.open(await put(blobs, origin_name, file.getvalue()))
    assert len(image.head) < 10_000
    head = pydicom.dcmread(BytesIO(image.head))
    assert head.private_block(0x0009, "TEST")[0x02].value == "short"


async def test_a_deflated_image_is_inflated_once(
    blobs: BlobStore, images: Images, origin_name: str, reads: list[str]
) -> None:
    pixels = frames_of(50)
    blob = await put(blobs, origin_name, instance(DeflatedExplicitVRLittleEndian, pixels))
    image = await images.open(blob)
    reads.clear()
    assert await images.frame(image, 50) == pixels[49].tobytes()
    assert len(reads) == 1
    (kept,) = [listed.key async for listed in blobs.list(derived_prefix(origin_name, "1.2"))]
    await blobs.delete(kept)
    assert await images.frame(image, 49) == pixels[48].tobytes()


async def test_deflated_pixels_that_s3_has_lost_are_streamed_all_the_same(
    client: httpx2.AsyncClient, employ: Employ, blobs: BlobStore, origin_name: str, tmp_path: Path
) -> None:
    pixels = frames_of(50)
    file = tmp_path / "deflated.dcm"
    file.write_bytes(instance(DeflatedExplicitVRLittleEndian, pixels))

    async def deliver(job: Job) -> None:
        await job.deliver(file)
        await job.end()

    employ(deliver)
    url = "1.2/series/1.2.3/instances/1.2.3.4/bulkdata/7FE00010"
    for _ in range(2):
        response = await client.get(url, headers={"Accept": "application/octet-stream"})
        assert (response.status_code, response.content) == (200, pixels.tobytes())
        for listed in [each async for each in blobs.list(derived_prefix(origin_name, "1.2"))]:
            await blobs.delete(listed.key)


async def test_a_deflated_bomb_is_no_image(
    blobs: BlobStore, images: Images, origin_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.common.dicom.dataset_source.LARGEST_INFLATED", 1024 * 1024)
    blob = await put(
        blobs, origin_name, instance(DeflatedExplicitVRLittleEndian, np.zeros((1000, 32, 32), np.uint16))
    )
    with pytest.raises(PixelsUnreadable) as raised:
        await images.open(blob)
    assert raised.value.instance == "1.2.3.4"


async def test_what_has_no_pixels_has_no_frames(blobs: BlobStore, images: Images, origin_name: str) -> None:
    (file,) = (file for file in pydicom_files() if file.name == "reportsi.dcm")
    with pytest.raises(NoFrames):
        await images.open(await put(blobs, origin_name, file.read_bytes()))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-5000],
        lambda content: content.replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"),
        lambda content: content.replace(b"\x28\x00\x00\x01US\x02\x00\x10", b"\x28\x00\x00\x01US\x02\x00\x0b"),
    ],
    ids=["cut short", "without rows", "of 11 bits"],
)
async def test_pixels_that_are_not_what_is_said_are_unreadable(
    blobs: BlobStore, images: Images, origin_name: str, damage: Callable[[bytes], bytes]
) -> None:
    blob = await put(blobs, origin_name, damage(instance(ExplicitVRLittleEndian, frames_of(3))))
    with pytest.raises(PixelsUnreadable) as raised:
        await images.open(blob)
    assert not isinstance(raised.value, NoFrames)
    assert raised.value.instance == "1.2.3.4"


@pytest.mark.parametrize("has_offset_table", [False, True])
async def test_compressed_pixels_of_which_frames_are_missing_are_unreadable(
    blobs: BlobStore, images: Images, origin_name: str, has_offset_table: bool
) -> None:
    ds = pydicom.dcmread(BytesIO(instance(RLELossless, frames_of(1), NumberOfFrames=4)))
    ds.PixelData = encapsulate([bytes(64)] * 3, has_bot=has_offset_table)
    file = BytesIO()
    pydicom.dcmwrite(file, ds)
    with pytest.raises(PixelsUnreadable, match="fewer frames"):
        await images.open(await put(blobs, origin_name, file.getvalue()))


async def test_a_frame_that_is_too_large_is_not_read(
    blobs: BlobStore, images: Images, origin_name: str, reads: list[str]
) -> None:
    pixels = np.zeros((1, 2048, 2048), np.uint16)
    image = await images.open(await put(blobs, origin_name, instance(ExplicitVRLittleEndian, pixels)))
    reads.clear()
    with pytest.raises(TooLarge):
        await images.frame(image, 1)
    (piece,) = await images.pieces(image, 1)  # to be streamed
    assert not reads
    assert isinstance(piece, tuple)
    assert piece[1] == pixels.nbytes


async def test_a_blob_that_is_gone_is_no_longer_known(
    blobs: BlobStore, images: Images, origin_name: str
) -> None:
    blob: BlobRef = await put(blobs, origin_name, instance(ExplicitVRLittleEndian, frames_of(2)))
    image = await images.open(blob)
    await blobs.delete(blob.key)
    for _ in range(2):
        with pytest.raises(BlobMissing):
            await images.frame(image, 1)
    with pytest.raises(BlobMissing):
        await images.open(blob)
