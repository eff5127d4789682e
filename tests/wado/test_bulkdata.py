import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import httpx2
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from tests.data_sets import identity, make_series, pydicom_files
from tests.wado.bodies import broken_body, parts_of, split
from tests.wado.conftest import Employ
from tests.wado.objects import gray, written
from tests.wado.urls import instance_of, series_of, study_of
from tests.wado.worker import Job, Script

OCTETS: Final = 'multipart/related; type="application/octet-stream"'


def delivers(*files: Path | bytes) -> Script:
    async def deliver(job: Job) -> None:
        await job.deliver(*files)
        await job.end()

    return deliver


@pytest.fixture(scope="session")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in RLE Lossless."""
    (file,) = make_series(tmp_path_factory.mktemp("rle"), 1, transfer_syntax=RLELossless)
    return file


async def test_what_is_no_path_is_400(client: httpx2.AsyncClient, employ: Employ, series: list[Path]) -> None:
    employ(delivers(series[0]))
    for path in ("", "nonsense", "7FE0001", "7FE00010/0/00080018", "%2E%2E/metadata"):
        url = client.base_url.join(f"{instance_of(series[0])}/bulkdata/{path}")
        assert (await client.get(url)).status_code == 400, path


async def test_a_path_that_leads_nowhere_is_404(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(series[0]))
    for path in ("00091010", "00400275/1/00401001", "7FE00008"):
        response = await client.get(f"{instance_of(series[0])}/bulkdata/{path}")
        assert response.status_code == 404, path


async def test_a_native_value_as_something_else_is_406(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(series[0]))
    for accept in ("text/html", "image/jpeg", f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.2"):
        url = f"{instance_of(series[0])}/bulkdata/7FE00010"
        response = await client.get(url, headers={"Accept": accept})
        assert response.status_code == 406, accept
        assert f"{OCTETS}; transfer-syntax={ExplicitVRLittleEndian}" in response.json()["available"]


async def test_a_native_value_is_one_part_with_its_url(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(series[0]))
    url = f"{instance_of(series[0])}/bulkdata/7FE00010"
    for accept in ("*/*", OCTETS, f'{OCTETS}; transfer-syntax="*"'):
        response = await client.get(url, headers={"Accept": accept})
        assert response.status_code == 200
        (part,) = parts_of(response)
        assert part.headers["Content-Type"].startswith("application/octet-stream")
        assert part.headers["Content-Location"] == str(client.base_url.join(url))
        assert part.content == pydicom.dcmread(series[0]).PixelData


async def test_a_native_value_as_a_single_part(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path]
) -> None:
    employ(delivers(series[0]))
    response = await client.get(
        f"{instance_of(series[0])}/bulkdata/7FE00010", headers={"Accept": "application/octet-stream"}
    )
    assert response.headers["Content-Type"].startswith("application/octet-stream")
    assert response.content == pydicom.dcmread(series[0]).PixelData
    assert response.headers["Content-Length"] == str(len(response.content))
    some = {"Accept": "application/octet-stream", "Range": "bytes=10-19"}
    part = await client.get(f"{instance_of(series[0])}/bulkdata/7FE00010", headers=some)
    assert (part.status_code, part.content) == (206, response.content[10:20])


async def test_encapsulated_frames_are_parts_as_they_are_held(
    client: httpx2.AsyncClient, employ: Employ, compressed: Path
) -> None:
    employ(delivers(compressed))
    held = next(generate_frames(pydicom.dcmread(compressed).PixelData, number_of_frames=1))
    for accept, media_type in (
        ('multipart/related; type="image/dicom-rle"', "image/dicom-rle"),
        (f'{OCTETS}; transfer-syntax="*"', "application/octet-stream"),
    ):
        url = f"{instance_of(compressed)}/bulkdata/7FE00010"
        response = await client.get(url, headers={"Accept": accept})
        assert response.status_code == 200
        (part,) = parts_of(response)
        assert part.headers["Content-Type"] == f"{media_type}; transfer-syntax={RLELossless}"
        assert part.content == held


AS_HELD: Final = {"Accept": f"{OCTETS}; transfer-syntax=*"}


def file_of(name: str) -> Path:
    return next(file for file in pydicom_files() if file.name == name)


def delivers_what_is_wanted(names: Iterable[str]) -> Script:
    files = {identity(file_of(name)).sop_instance_uid: file_of(name) for name in names}

    async def deliver(job: Job) -> None:
        await job.deliver(files[job.wanted.instance or ""])
        await job.end()

    return deliver


def frames_of(file: Path) -> list[bytes]:
    """The pixel data as pydicom reads it: the frames, or all of it in little endian."""
    ds = pydicom.dcmread(file)
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        return list(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))
    if syntax == ExplicitVRBigEndian:
        return [ds.pixel_array.astype(ds.pixel_array.dtype.newbyteorder("<")).tobytes()]
    return [ds.PixelData]


async def test_encapsulated_frames_are_decoded_by_default_into_one_value(
    client: httpx2.AsyncClient, employ: Employ
) -> None:
    file = file_of("rtdose_rle.dcm")
    employ(delivers(file))
    pixels = pydicom.dcmread(file).pixel_array.tobytes()
    (part,) = parts_of(await client.get(f"{instance_of(file)}/bulkdata/7FE00010"))
    assert (
        part.headers["Content-Type"] == f"application/octet-stream; transfer-syntax={ExplicitVRLittleEndian}"
    )
    assert part.content == pixels
    alone = {"Accept": "application/octet-stream"}
    response = await client.get(f"{instance_of(file)}/bulkdata/7FE00010", headers=alone)
    assert (response.content, response.headers["Content-Length"]) == (pixels, str(len(pixels)))
    frames = {"Accept": 'multipart/related; type="image/jp2"'}  # of 32 bits
    assert (await client.get(f"{instance_of(file)}/bulkdata/7FE00010", headers=frames)).status_code == 406


async def test_pixels_that_nobody_describes_are_given_as_they_are_held(
    client: httpx2.AsyncClient, employ: Employ, tmp_path: Path
) -> None:
    ds = pydicom.dcmread(file_of("SC_rgb_rle_2frame.dcm"))
    held = list(generate_frames(ds.PixelData, number_of_frames=2))
    del ds.Rows
    file = tmp_path / "undescribed.dcm"
    ds.save_as(file)
    employ(delivers(file))
    response = await client.get(f"{instance_of(file)}/bulkdata/7FE00010")
    assert [part.content for part in parts_of(response)] == held


NAMES: Final = (
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "rtdose_expb.dcm",
    "image_dfl.dcm",
    "JPEG2000.dcm",
    "SC_rgb_rle_2frame.dcm",
)


async def test_every_url_of_the_metadata_is_served(client: httpx2.AsyncClient, employ: Employ) -> None:
    employ(delivers_what_is_wanted(NAMES))
    for name in NAMES:
        file = file_of(name)
        described = await client.get(f"{instance_of(file)}/metadata")
        urls = re.findall(r'"BulkDataURI":"([^"]+)"', described.text)
        assert urls
        for url in urls:
            response = await client.get(url, headers=AS_HELD)
            assert response.status_code == 200
            parts = [part.content for part in parts_of(response)]
            assert parts == frames_of(file) or not url.endswith("/7FE00010"), name


class TestAllOfThem:
    """The bulk data of a study, series or instance: a part for each value, with its URL."""

    async def test_each_value_of_each_instance_is_a_part_with_its_url(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        employ(delivers(*series))
        described = await client.get(f"{study_of(series[0])}/metadata")
        urls = re.findall(r'"BulkDataURI":"([^"]+)"', described.text)
        for url in (study_of(series[0]), series_of(series[0])):
            parts = parts_of(await client.get(f"{url}/bulkdata"))
            assert sorted(part.headers["Content-Location"] for part in parts) == sorted(urls)
            for part in parts:
                (alone,) = parts_of(await client.get(part.headers["Content-Location"]))
                assert part.content == alone.content

    async def test_objects_in_octet_streams_are_their_bulk_data(
        self, client: httpx2.AsyncClient, employ: Employ, compressed: Path
    ) -> None:
        employ(delivers(compressed))
        held = next(generate_frames(pydicom.dcmread(compressed).PixelData, number_of_frames=1))
        for url in (study_of(compressed), series_of(compressed), instance_of(compressed)):
            (part,) = parts_of(await client.get(url, headers=AS_HELD))
            assert part.content == held

    async def test_of_an_instance_there_are_its_own(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        employ(delivers(*series))
        (part,) = parts_of(await client.get(f"{instance_of(series[1])}/bulkdata", headers=AS_HELD))
        assert part.content == pydicom.dcmread(series[1]).PixelData

    async def test_pixel_data_are_those_of_the_instance_only(
        self, client: httpx2.AsyncClient, employ: Employ
    ) -> None:
        file = file_of("examples_overlay.dcm")
        employ(delivers(file))
        every = parts_of(await client.get(f"{instance_of(file)}/bulkdata"))
        (pixels,) = parts_of(await client.get(f"{instance_of(file)}/pixeldata"))
        assert len(every) > 1
        assert pixels.content == pydicom.dcmread(file).PixelData
        assert pixels.headers["Content-Location"].endswith("/bulkdata/7FE00010")

    async def test_each_part_goes_as_its_client_takes_it(
        self, client: httpx2.AsyncClient, employ: Employ, compressed: Path
    ) -> None:
        employ(delivers(compressed))
        url = f"{instance_of(compressed)}/pixeldata"
        rle = next(generate_frames(pydicom.dcmread(compressed).PixelData, number_of_frames=1))
        for accept, expected, syntax in (
            (AS_HELD["Accept"], rle, RLELossless),
            ('multipart/related; type="image/dicom-rle"', rle, RLELossless),
            ("*/*", pydicom.dcmread(compressed).pixel_array.tobytes(), ExplicitVRLittleEndian),
        ):
            (part,) = parts_of(await client.get(url, headers={"Accept": accept}))
            assert part.content == expected
            assert part.headers["Content-Type"].endswith(f"transfer-syntax={syntax}")

    async def test_where_there_is_nothing_it_is_404(self, client: httpx2.AsyncClient, employ: Employ) -> None:
        file = file_of("reportsi.dcm")
        employ(delivers(file))
        assert (await client.get(f"{instance_of(file)}/pixeldata")).status_code == 404

    async def test_alone_it_is_406(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path]
    ) -> None:
        employ(delivers(*series))
        for accept in ("application/octet-stream", "text/html", "multipart/related; type=application/json"):
            response = await client.get(f"{study_of(series[0])}/bulkdata", headers={"Accept": accept})
            assert response.status_code == 406

    async def test_it_is_broken_off_where_a_later_value_cannot_be_read(
        self, client: httpx2.AsyncClient, employ: Employ, series: list[Path], tmp_path: Path
    ) -> None:
        ds = pydicom.dcmread(series[1])
        cut = tmp_path / "cut.dcm"
        cut.write_bytes(series[1].read_bytes()[: -len(ds.PixelData) // 2])
        employ(delivers(series[0], cut, series[2]))
        content_type, body = await broken_body(client, f"{study_of(series[0])}/bulkdata", AS_HELD)
        parts, _ = split(content_type, body)
        assert len(parts) <= 1


@pytest.mark.parametrize("resource", ["bulkdata", "pixeldata"])
async def test_an_instance_that_breaks_off_before_its_pixels_is_not_left_out_in_silence(
    client: httpx2.AsyncClient, employ: Employ, resource: str
) -> None:
    image = gray([1], study="1.2.826.4", series="1.2.826.4.1")
    whole = written(image)
    image.SOPInstanceUID = "1.2.826.4.1.2"
    employ(delivers(whole, written(image)[: -(8 * 12 + 16)]))
    await broken_body(client, f"1.2.826.4/{resource}", AS_HELD)
