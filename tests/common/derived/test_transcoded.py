"""Instances in other transfer syntaxes are the same instances, to the last pixel."""

import asyncio
import struct
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from isthmus.common.blobs import BlobStore, derived_prefix
from isthmus.common.derived.frame_indexes import FrameIndexes
from isthmus.common.derived.images import Images
from isthmus.common.derived.kept import Kept
from isthmus.common.derived.transcoded import Transcoded, obtainable
from isthmus.common.dicom.uids import IMPLEMENTATION_CLASS_UID
from isthmus.common.errors import NotDelivered, PixelsUnreadable, TooLarge
from isthmus.common.messages import BlobRef
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.threads import Threads
from tests.wado.worker import put

EXPLICIT = str(ExplicitVRLittleEndian)
ENCODED = [str(RLELossless), str(JPEGLSLossless), str(JPEG2000Lossless)]
LARGEST = 64 * 1024 * 1024

FILES = (
    "CT_small.dcm",  # Explicit VR Little Endian
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "rtdose_expb.dcm",  # of 32 bits
    "MR_small_RLE.dcm",
    "SC_rgb_jpeg_gdcm.dcm",  # JPEG Lossless
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm",
    "SC_rgb_rle_2frame.dcm",
    "rtdose_rle.dcm",  # of 15 frames
    "SC_rgb_jpeg_dcmtk.dcm",  # lossy, YBR
    "SC_rgb_gdcm_KY.dcm",  # lossy JPEG 2000
    "SC_ybr_full_422_uncompressed.dcm",
    "liver_1frame.dcm",  # of single bits
    "examples_palette.dcm",
    "reportsi.dcm",  # no pixels
)
FORM_OF_PIXELS = {"PhotometricInterpretation", "PlanarConfiguration", "PixelData", "DataSetTrailingPadding"}


def file(name: str) -> bytes:
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(data))


@pytest.fixture(scope="module")
def started_processes() -> Iterator[PixelProcesses]:
    processes = PixelProcesses(2, 120)
    yield processes
    processes.close()


@pytest.fixture
def processes(started_processes: PixelProcesses) -> PixelProcesses:
    """Processes that are there already, with turns on the loop of this test."""
    started_processes._turns = asyncio.Semaphore(2)
    return started_processes


@pytest.fixture
def kept(blobs: BlobStore) -> Kept:
    return Kept(blobs)


@pytest.fixture
def transcoded(blobs: BlobStore, kept: Kept, processes: PixelProcesses) -> Iterator[Transcoded]:
    threads = Threads("test-headers", 2)
    images = Images(blobs, threads, FrameIndexes(blobs, threads), kept, LARGEST)
    yield Transcoded(blobs, threads, kept, images, processes, LARGEST)
    threads.close()


async def in_syntax(transcoded: Transcoded, blobs: BlobStore, origin: str, data: bytes, syntax: str) -> bytes:
    """Put an instance into S3, and get it in a transfer syntax."""
    given = await transcoded.given(await put(blobs, origin, data), [syntax])
    assert given.transfer_syntax_uid == syntax
    found = await blobs.get(given.key)
    assert len(found) == given.size
    return found


def relabelled(data: bytes, transfer_syntax: str) -> bytes:
    """The same data set, said to be in another transfer syntax."""
    ds = read(data)
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    target = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(target, implicit_vr=False, little_endian=True)
    return target.getvalue()


async def kept_of(blobs: BlobStore, origin: str, blob: BlobRef) -> list[str]:
    prefix = derived_prefix(origin, blob.study_instance_uid)
    return [listed.key async for listed in blobs.list(prefix) if "/instance-" in listed.key]


@pytest.mark.parametrize("name", FILES)
async def test_pixels_and_elements_stay_the_same(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str, name: str
) -> None:
    data = file(name)
    held = read(data)
    syntaxes = obtainable(str(held.file_meta.TransferSyntaxUID)).all
    assert EXPLICIT in syntaxes
    for syntax in syntaxes:
        if syntax == held.file_meta.TransferSyntaxUID:
            continue
        try:
            found = await in_syntax(transcoded, blobs, origin_name, data, syntax)
        except PixelsUnreadable:
            assert syntax != EXPLICIT
            assert held.BitsAllocated not in {8, 16}  # no codec takes others
            continue
        ds = read(found)
        assert ds.file_meta.TransferSyntaxUID == syntax
        assert ds.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
        assert ds.file_meta.MediaStorageSOPInstanceUID == held.SOPInstanceUID
        assert {element.keyword for element in held if element.tag not in ds} <= FORM_OF_PIXELS
        assert {element.keyword for element in ds if element.tag not in held} <= FORM_OF_PIXELS
        if "PixelData" in held:
            assert np.array_equal(pixel_array(BytesIO(found)), pixel_array(BytesIO(data)))
            assert ds["PixelData"].is_undefined_length is (syntax != EXPLICIT)


async def test_a_deflated_instance_is_inflated(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    ds = read(file("CT_small.dcm"))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    target = BytesIO()
    ds.save_as(target)
    for syntax in (EXPLICIT, str(RLELossless)):
        found = await in_syntax(transcoded, blobs, origin_name, target.getvalue(), syntax)
        assert np.array_equal(pixel_array(BytesIO(found)), ds.pixel_array)


async def test_private_elements_that_nobody_knows_stay_unknown(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    ds = read(file("MR_small_implicit.dcm"))
    ds.private_block(0x0009, "NOBODY KNOWS", create=True).add_new(0x01, "UN", b"\1\2\3\4")
    target = BytesIO()
    ds.save_as(target)
    found = read(await in_syntax(transcoded, blobs, origin_name, target.getvalue(), EXPLICIT))
    assert (found[0x0009, 0x1001].VR, found[0x0009, 0x1001].value) == ("UN", b"\1\2\3\4")
    assert found[0x0009, 0x0010].VR == "LO"


async def test_text_stays_in_its_character_set(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    (charset_file,) = get_charset_files("chrH31.dcm")
    ds = pydicom.dcmread(charset_file)
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    written = ds.get_item("PatientName")
    assert isinstance(written, RawDataElement)
    target = BytesIO()
    ds.save_as(target)
    found = read(await in_syntax(transcoded, blobs, origin_name, target.getvalue(), EXPLICIT))
    again = found.get_item("PatientName")
    assert isinstance(again, RawDataElement)
    assert (again.VR, again.value, found.PatientName) == ("PN", written.value, ds.PatientName)


async def test_jpeg_with_loss_says_so_when_it_is_decompressed(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    ds = read(file("SC_rgb_jpeg_dcmtk.dcm"))
    del ds.LossyImageCompression
    target = BytesIO()
    ds.save_as(target)
    found = read(await in_syntax(transcoded, blobs, origin_name, target.getvalue(), EXPLICIT))
    assert (found.LossyImageCompression, found.PhotometricInterpretation) == ("01", "RGB")


async def test_an_icon_that_is_compressed_is_left_out_where_pixels_may_not_be(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    ds = read(file("MR_small_RLE.dcm"))
    icon = Dataset()
    icon.Rows = icon.Columns = 8
    icon.PixelData = encapsulate([bytes(64)])
    icon["PixelData"].VR = "OB"
    icon["PixelData"].is_undefined_length = True
    ds.IconImageSequence = [icon]
    target = BytesIO()
    ds.save_as(target)
    assert "IconImageSequence" in read(target.getvalue())
    for syntax, there in ((EXPLICIT, False), (str(JPEGLSLossless), True)):
        found = read(await in_syntax(transcoded, blobs, origin_name, target.getvalue(), syntax))
        assert ("IconImageSequence" in found) is there


async def test_it_is_made_once(transcoded: Transcoded, blobs: BlobStore, origin_name: str) -> None:
    blob = await put(blobs, origin_name, file("MR_small_RLE.dcm"))
    first = await transcoded.given(blob, [EXPLICIT])
    await blobs.delete(blob.key)
    assert await transcoded.given(blob, [EXPLICIT]) == first


async def test_as_it_is_held_costs_nothing(transcoded: Transcoded, origin_name: str) -> None:
    nowhere = BlobRef("none", f"held/{origin_name}/1/2/3/d.dcm", 1, "1", "2", "3", "4", str(MPEG2MPML))
    assert await transcoded.given(nowhere, [str(MPEG2MPML)]) is nowhere


async def test_where_the_best_is_not_possible_the_next_is_taken(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    bits = await put(blobs, origin_name, file("liver_1frame.dcm"))
    given = await transcoded.given(bits, [*ENCODED, str(ExplicitVRLittleEndian)])
    assert given == bits
    with pytest.raises(PixelsUnreadable) as raised:
        await transcoded.given(bits, ENCODED)
    assert raised.value.instance == bits.sop_instance_uid
    assert raised.value.available == (f"application/dicom; transfer-syntax={EXPLICIT}",)


def with_frames(change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """An image of two frames in RLE, with others instead."""
    ds = read(file("SC_rgb_rle_2frame.dcm"))
    ds.PixelData = encapsulate(change(list(generate_frames(ds.PixelData, number_of_frames=2))))
    target = BytesIO()
    ds.save_as(target)
    return target.getvalue()


async def test_a_frame_that_is_corrupt_names_the_instance_and_leaves_nothing(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    blob = await put(blobs, origin_name, with_frames(lambda frames: [frames[0], b"nonsense" * 8]))
    with pytest.raises(PixelsUnreadable) as raised:
        await transcoded.given(blob, [EXPLICIT])
    assert raised.value.instance == blob.sop_instance_uid
    assert raised.value.available == (f"application/dicom; transfer-syntax={blob.transfer_syntax_uid}",)
    assert await kept_of(blobs, origin_name, blob) == []


async def test_fewer_frames_than_it_says_is_no_image(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    blob = await put(blobs, origin_name, with_frames(lambda frames: frames[:1]))
    with pytest.raises(PixelsUnreadable, match="fewer frames"):
        await transcoded.given(blob, [EXPLICIT])


async def test_a_bomb_is_too_large(
    blobs: BlobStore, kept: Kept, processes: PixelProcesses, origin_name: str
) -> None:
    threads = Threads("test-headers", 1)
    images = Images(blobs, threads, FrameIndexes(blobs, threads), kept, 16 * 1024)
    transcoded = Transcoded(blobs, threads, kept, images, processes, 16 * 1024)
    blob = await put(blobs, origin_name, file("SC_rgb_rle.dcm"))  # of 30,000 bytes
    with pytest.raises(TooLarge) as raised:
        await transcoded.given(blob, [EXPLICIT])
    assert raised.value.instance == blob.sop_instance_uid
    threads.close()


async def test_what_the_origin_sent_and_cannot_be_read_is_its_fault(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    blob = await put(blobs, origin_name, file("MR_small_implicit.dcm")[:-100])
    with pytest.raises(NotDelivered):
        await transcoded.given(blob, [EXPLICIT])
    assert await kept_of(blobs, origin_name, blob) == []


async def test_an_object_without_pixels_may_be_in_any(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str
) -> None:
    report = relabelled(file("reportsi.dcm"), str(JPEG2000Lossless))
    found = read(await in_syntax(transcoded, blobs, origin_name, report, EXPLICIT))
    assert found == read(file("reportsi.dcm"))


@pytest.mark.parametrize("length", [struct.calcsize("<L"), 100_001])
async def test_values_of_any_length_pass(
    transcoded: Transcoded, blobs: BlobStore, origin_name: str, length: int
) -> None:
    ds = read(file("MR_small_implicit.dcm"))
    ds.add_new(0x00420011, "OB", bytes(length))
    ds.add_new(0x00281053, "DS", "1." + "0" * 13)
    target = BytesIO()
    ds.save_as(target)
    found = read(await in_syntax(transcoded, blobs, origin_name, target.getvalue(), EXPLICIT))
    assert found.EncapsulatedDocument == bytes(length + length % 2)
