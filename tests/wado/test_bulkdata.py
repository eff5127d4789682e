import re
from pathlib import Path
from typing import Final

import httpx2
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from tests.data_sets import make_series, pydicom_files
from tests.wado.bodies import parts_of
from tests.wado.conftest import Employ
from tests.wado.urls import instance_of
from tests.wado.worker import Job, Script

OCTETS: Final = 'multipart/related; type="application/octet-stream"'


def delivers(*files: Path) -> Script:
    async def deliver(job: Job) -> None:
        await job.deliver(*files)
        await job.end()

    return deliver


@pytest.fixture(scope="session")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in RLE Lossless."""
    (file,) = make_series(tmp_path_factory.mktemp("rle"), 1, transfer_syntax=RLELossless)
    return file


@pytest.mark.parametrize("path", ["", "nonsense", "7FE0001", "7FE00010/0/00080018", "../metadata"])
async def test_what_is_no_path_is_400(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], path: str
) -> None:
    employ(delivers(series[0]))
    url = client.base_url.join(f"{instance_of(series[0])}/bulkdata/{path.replace('.', '%2E')}")
    response = await client.get(url)
    assert response.status_code == 400


@pytest.mark.parametrize("path", ["00091010", "00400275/1/00401001"])
async def test_a_path_that_leads_nowhere_is_404(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], path: str
) -> None:
    employ(delivers(series[0]))
    response = await client.get(f"{instance_of(series[0])}/bulkdata/{path}")
    assert response.status_code == 404


@pytest.mark.parametrize(
    "accept",
    ["text/html", "image/jpeg", f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.5"],
)
async def test_a_native_value_as_something_else_is_406(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], accept: str
) -> None:
    employ(delivers(series[0]))
    response = await client.get(f"{instance_of(series[0])}/bulkdata/7FE00010", headers={"Accept": accept})
    assert response.status_code == 406
    assert OCTETS in response.json()["available"]


async def test_frames_in_another_transfer_syntax_than_they_are_held_in_are_406(
    client: httpx2.AsyncClient, employ: Employ, compressed: Path
) -> None:
    employ(delivers(compressed))
    native = {"Accept": f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.1"}
    response = await client.get(f"{instance_of(compressed)}/bulkdata/7FE00010", headers=native)
    assert response.status_code == 406


@pytest.mark.parametrize("accept", ["*/*", OCTETS, f'{OCTETS}; transfer-syntax="*"'])
async def test_a_native_value_is_one_part_with_its_url(
    client: httpx2.AsyncClient, employ: Employ, series: list[Path], accept: str
) -> None:
    employ(delivers(series[0]))
    url = f"{instance_of(series[0])}/bulkdata/7FE00010"
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


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "image/dicom-rle"),
        ('multipart/related; type="image/dicom-rle"', "image/dicom-rle"),
        (f'{OCTETS}; transfer-syntax="*"', "application/octet-stream"),
    ],
)
async def test_encapsulated_frames_are_parts_as_they_are_held(
    client: httpx2.AsyncClient, employ: Employ, compressed: Path, accept: str, media_type: str
) -> None:
    employ(delivers(compressed))
    response = await client.get(f"{instance_of(compressed)}/bulkdata/7FE00010", headers={"Accept": accept})
    assert response.status_code == 200
    (part,) = parts_of(response)
    assert part.headers["Content-Type"] == f"{media_type}; transfer-syntax={RLELossless}"
    assert part.content == next(generate_frames(pydicom.dcmread(compressed).PixelData, number_of_frames=1))


def frames_of(file: Path) -> list[bytes]:
    """The pixel data as pydicom reads it: the frames, or all of it in little endian."""
    ds = pydicom.dcmread(file)
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        return list(generate_frames(ds.PixelData, number_of_frames=int(ds.get("NumberOfFrames", 1))))
    if syntax == ExplicitVRBigEndian:
        return [ds.pixel_array.astype("<i2").tobytes()]
    return [ds.PixelData]


@pytest.mark.parametrize(
    "name",
    [
        "MR_small_implicit.dcm",
        "MR_small_bigendian.dcm",
        "image_dfl.dcm",
        "JPEG2000.dcm",
        "SC_rgb_rle_2frame.dcm",
    ],
)
async def test_every_url_of_the_metadata_is_served(
    client: httpx2.AsyncClient, employ: Employ, name: str
) -> None:
    (file,) = (file for file in pydicom_files() if file.name == name)
    employ(delivers(file))
    described = await client.get(f"{instance_of(file)}/metadata")
    urls = re.findall(r'"BulkDataURI":"([^"]+)"', described.text)
    assert urls
    for url in urls:
        response = await client.get(url)
        assert response.status_code == 200
        parts = [part.content for part in parts_of(response)]
        assert parts == frames_of(file) or not url.endswith("/7FE00010")
