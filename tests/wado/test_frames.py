"""Frames by the kinds of pixels that there are, as a viewer asks for them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from tests.data_sets import identity, pydicom_files, with_sop_instance_uid
from tests.wado.bodies import parts_of
from tests.wado.conftest import Employ
from tests.wado.urls import instance_of, series_of
from tests.wado.worker import Job, Script

OCTETS: Final = 'multipart/related; type="application/octet-stream"'
AS_HELD: Final = {"Accept": f'{OCTETS}; transfer-syntax="*"'}
NATIVE: Final = f"application/octet-stream; transfer-syntax={ExplicitVRLittleEndian}"


def delivers(*files: Path) -> Script:
    async def deliver(job: Job) -> None:
        await job.deliver(*files)
        await job.end()

    return deliver


@dataclass(frozen=True)
class Wanted:
    name: str
    ds: pydicom.Dataset
    url: str


def wanted_of(names: Iterable[str], employ: Employ) -> Iterator[Wanted]:
    """Files, each delivered when it is wanted, as an instance that is told apart from all others."""
    instances: dict[str, bytes] = {}

    async def deliver(job: Job) -> None:
        await job.deliver(instances[job.wanted.instance or ""])
        await job.end()

    employ(deliver)
    for number, name in enumerate(names, 1):
        file = file_of(name)
        content, uid = file.read_bytes(), identity(file).sop_instance_uid
        if name != "image_dfl.dcm":  # it cannot be changed in place
            uid = f"1.2.3.{number}"
            content = with_sop_instance_uid(content, uid)
        instances[uid] = content
        yield Wanted(name, pydicom.dcmread(file), f"{series_of(file)}/instances/{uid}")


def file_of(name: str) -> Path:
    return next(file for file in pydicom_files() if file.name == name)


def little_endian(array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> bytes:
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


NATIVE_FILES: Final = (
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "rtdose.dcm",
    "rtdose_expb.dcm",
    "rtdose_rle.dcm",
    "image_dfl.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
)


async def test_frames_are_native_by_default(client: httpx2.AsyncClient, employ: Employ) -> None:
    for wanted in wanted_of(NATIVE_FILES, employ):
        ds = wanted.ds
        count = int(ds.get("NumberOfFrames", 1))
        expected = [little_endian(frame) for frame in (ds.pixel_array if count > 1 else [ds.pixel_array])]
        response = await client.get(f"{wanted.url}/frames/{','.join(map(str, range(1, count + 1)))}")
        assert response.status_code == 200, wanted.name
        parts = parts_of(response)
        assert [part.content for part in parts] == expected, wanted.name
        assert {part.headers["Content-Type"] for part in parts} == {NATIVE}
        assert [int(part.headers["Content-Length"]) for part in parts] == [len(one) for one in expected]
        last = client.base_url.join(f"{wanted.url}/frames/{count}")
        assert parts[-1].headers["Content-Location"] == str(last)
        assert response.headers["Content-Length"] == str(len(response.content))


def one_bit(
    rows: int, columns: int, frames: int
) -> tuple[bytes, "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]"]:
    """Frames that do not begin on a byte."""
    bits = np.random.default_rng(1).integers(0, 2, (frames, rows, columns), np.uint8)
    ds = pydicom.dcmread(file_of("liver_1frame.dcm"))
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, frames
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    ds.PixelData = packed + bytes(len(packed) % 2)
    buffer = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(buffer, ds)
    return buffer.getvalue(), bits


async def test_frames_that_do_not_begin_on_a_byte_are_shifted(
    client: httpx2.AsyncClient, employ: Employ, tmp_path: Path
) -> None:
    content, bits = one_bit(3, 5, 7)
    file = tmp_path / "bits.dcm"
    file.write_bytes(content)
    employ(delivers(file))
    response = await client.get(f"{instance_of(file)}/frames/1,2,3,4,5,6,7", headers=AS_HELD)
    for part, frame in zip(parts_of(response), bits, strict=True):
        assert part.content == np.packbits(frame.ravel(), bitorder="little").tobytes()


HELD: Final = {
    "SC_rgb_rle_2frame.dcm": "image/dicom-rle",
    "SC_rgb_jpeg_gdcm.dcm": "image/jpeg",
    "MR_small_jpeg_ls_lossless.dcm": "image/jls",
    "MR_small_jp2klossless.dcm": "image/jp2",
    "JPEG-lossy.dcm": "image/jpeg",
}


async def test_frames_as_they_are_held(client: httpx2.AsyncClient, employ: Employ) -> None:
    for wanted in wanted_of(HELD, employ):
        ds, media_type = wanted.ds, HELD[wanted.name]
        held = next(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))
        syntax = ds.file_meta.TransferSyntaxUID
        for accept, said in (
            (AS_HELD["Accept"], "application/octet-stream"),
            (f'multipart/related; type="{media_type}"', media_type),
            (f'multipart/related; type="{media_type}"; transfer-syntax={syntax}', media_type),
        ):
            response = await client.get(f"{wanted.url}/frames/1", headers={"Accept": accept})
            (part,) = parts_of(response)
            assert part.content == held, wanted.name
            assert part.headers["Content-Type"] == f"{said}; transfer-syntax={syntax}"


async def test_native_frames_are_compressed_without_loss(client: httpx2.AsyncClient, employ: Employ) -> None:
    file = file_of("CT_small.dcm")
    employ(delivers(file))
    for media_type in ("image/jls", "image/jp2", "image/dicom-rle"):
        response = await client.get(f"{instance_of(file)}/frames/1", headers={"Accept": media_type})
        assert response.headers["Content-Type"].startswith(f"{media_type}; transfer-syntax=")
        ds = pydicom.dcmread(file)
        expected = ds.pixel_array
        ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(response.headers["Content-Type"].rpartition("=")[2])
        ds.PixelData = pydicom.encaps.encapsulate([response.content])
        ds["PixelData"].is_undefined_length = True
        assert (ds.pixel_array == expected).all()


async def test_frames_come_as_they_are_asked_for_also_twice(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    file = file_of("rtdose.dcm")
    employ(delivers(file))
    frames = pydicom.dcmread(file).pixel_array
    response = await client.get(f"{instance_of(file)}/frames/7,2,7,10")
    assert [part.content for part in parts_of(response)] == [
        frames[place].tobytes() for place in (6, 1, 6, 9)
    ]


NO_LISTS: Final = (
    "0",
    "1,0",
    "-1",
    "one",
    "1,,2",
    ",1",
    "1,",
    "1-3",
    "1.0",
    "1%20",
    "1" * 19,
    "1," * 10_000 + "1",
)


async def test_what_is_no_list_of_frames_is_400(client: httpx2.AsyncClient, employ: Employ) -> None:
    file = file_of("CT_small.dcm")
    employ(delivers(file))
    for listed in NO_LISTS:
        response = await client.get(f"{instance_of(file)}/frames/{listed}")
        assert response.status_code == 400, listed
        assert response.json()["parameter"] == "frames"


async def test_a_frame_beyond_the_last_is_404(client: httpx2.AsyncClient, employ: Employ) -> None:
    file = file_of("CT_small.dcm")
    employ(delivers(file))
    for listed in ("2", "1,2", "999999999999"):
        assert (await client.get(f"{instance_of(file)}/frames/{listed}")).status_code == 404


async def test_frames_of_what_has_none_are_404(client: httpx2.AsyncClient, employ: Employ) -> None:
    file = file_of("reportsi.dcm")
    employ(delivers(file))
    assert (await client.get(f"{instance_of(file)}/frames/1")).status_code == 404


async def test_several_frames_alone_are_406(client: httpx2.AsyncClient, employ: Employ) -> None:
    file = file_of("rtdose.dcm")
    employ(delivers(file))
    alone = {"Accept": "application/octet-stream"}
    response = await client.get(f"{instance_of(file)}/frames/1,2", headers=alone)
    assert response.status_code == 406
    assert f"{OCTETS}; transfer-syntax={ExplicitVRLittleEndian}" in response.json()["available"]


async def test_a_frame_alone_can_be_had_in_ranges(client: httpx2.AsyncClient, employ: Employ) -> None:
    file = file_of("rtdose.dcm")
    employ(delivers(file))
    frame = pydicom.dcmread(file).pixel_array[4].tobytes()
    url = f"{instance_of(file)}/frames/5"
    alone = {"Accept": "application/octet-stream"}
    whole = await client.get(url, headers=alone)
    assert whole.content == frame
    assert whole.headers["Content-Length"] == str(len(frame))
    part = await client.get(url, headers={**alone, "Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, frame[100:200])
    same = await client.get(url, headers={**alone, "If-None-Match": whole.headers["ETag"]})
    assert same.status_code == 304


async def test_pixels_that_cannot_be_decoded_are_406_and_name_the_instance(
    client: httpx2.AsyncClient, employ: Employ, tmp_path: Path
) -> None:
    ds = pydicom.dcmread(file_of("SC_rgb_jpeg_gdcm.dcm"))
    ds.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff" + bytes(2000)])
    ds["PixelData"].is_undefined_length = True
    file = tmp_path / "corrupt.dcm"
    ds.save_as(file)
    employ(delivers(file))
    url = f"{instance_of(file)}/frames/1"
    response = await client.get(url)
    assert response.status_code == 406
    assert ds.SOPInstanceUID in response.text
    assert (await client.get(url, headers=AS_HELD)).status_code == 200


async def test_the_length_says_the_same_with_head(client: httpx2.AsyncClient, employ: Employ) -> None:
    file = file_of("SC_rgb_rle_2frame.dcm")
    employ(delivers(file))
    url = f"{instance_of(file)}/frames/1,2"
    got = await client.get(url)
    head = await client.head(url)
    assert head.status_code == 200
    assert head.headers["Content-Length"] == got.headers["Content-Length"] == str(len(got.content))


async def test_a_bomb_is_413(client: httpx2.AsyncClient, employ: Employ, tmp_path: Path) -> None:
    ds = pydicom.dcmread(file_of("MR_small_RLE.dcm"))
    assert ds.file_meta.TransferSyntaxUID == RLELossless
    ds.Rows = ds.Columns = 65535
    file = tmp_path / "bomb.dcm"
    ds.save_as(file)
    employ(delivers(file))
    response = await client.get(f"{instance_of(file)}/frames/1")
    assert response.status_code == 413
    assert ds.SOPInstanceUID in response.text
