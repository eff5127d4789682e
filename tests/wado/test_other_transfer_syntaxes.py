"""Transfer syntaxes of which no sample file is: made with encoders, as no PACS of the tests sends them.

Those of the sample files are tested in front of PACS: tests/system/conformance/test_transfer_syntaxes.py.
"""

import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Final

import httpx2
import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian

from tests.data_sets import identity, raw_dataset, transfer_syntax
from tests.data_sets.pictures import GRAY, Samples, picture, picture_file
from tests.wado.bodies import parts_of
from tests.wado.conftest import Employ
from tests.wado.test_rendered import delivers
from tests.wado.urls import instance_of

ROOT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = str(ExplicitVRLittleEndian)
DICOM, OCTETS = "application/dicom", "application/octet-stream"
IMAGE: Final = picture(GRAY)

Encode = Callable[[Samples], bytes]


def deflated(samples: Samples) -> bytes:
    deflating = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflating.compress(samples.tobytes()) + deflating.flush()


def htj2k(samples: Samples) -> bytes:
    return bytes(imagecodecs.htj2k_encode(samples))


def jpeg_2000(samples: Samples) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(samples, codecformat="J2K", level=0))


DECODED: Final[dict[str, tuple[str, Encode]]] = {
    f"{ROOT}.1.98": (OCTETS, lambda samples: samples.tobytes()),
    f"{ROOT}.8.1": (OCTETS, deflated),
    f"{ROOT}.4.57": (
        "image/jpeg",
        lambda samples: bytes(imagecodecs.jpeg_encode(samples, lossless=True, bitspersample=12)),
    ),
    f"{ROOT}.4.92": ("image/jpx", jpeg_2000),
    f"{ROOT}.4.93": ("image/jpx", jpeg_2000),
    f"{ROOT}.4.201": ("image/jphc", htj2k),
    f"{ROOT}.4.202": ("image/jphc", htj2k),
    f"{ROOT}.4.203": ("image/jphc", htj2k),
}
"""By transfer syntax, the media type of a frame, and its encoder."""
LOSSY: Final = {f"{ROOT}.4.93", f"{ROOT}.4.203"}
"""They may have lost something: objects are given as they are held where nothing else is asked for."""
VIDEOS: Final = {
    **{f"{ROOT}.4.{number}": "video/mpeg2" for number in (100, 101)},
    **{f"{ROOT}.4.{number}": "video/mp4" for number in (102, 103, 104, 105, 106)},
    **{f"{ROOT}.4.{number}": "video/H265" for number in (107, 108)},
}
NOT_DECODED: Final = {
    **VIDEOS,
    **{f"{ROOT}.4.{number}": "image/jxl" for number in (110, 111, 112)},
    "1.2.3.4.5": OCTETS,
}
STREAM: Final = bytes(range(256)) * 4


def accepting(media_type: str, syntax: str | None = None) -> dict[str, str]:
    return {"Accept": media_type if syntax is None else f"{media_type}; transfer-syntax={syntax}"}


@pytest.fixture
def decoded(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An instance in one of those that are decoded."""
    encode = DECODED[request.param][1]
    return picture_file(tmp_path / "image", replace(GRAY, transfer_syntax_uid=request.param), [encode(IMAGE)])


@pytest.fixture
def opaque(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An instance in one of those that are not."""
    return picture_file(tmp_path / "image", replace(GRAY, transfer_syntax_uid=request.param), [STREAM])


@pytest.mark.parametrize("decoded", DECODED, indirect=True)
async def test_what_is_decoded_here_is_transcoded_rendered_and_its_frames_are_served(
    client: httpx2.AsyncClient, employ: Employ, decoded: Path
) -> None:
    employ(delivers(decoded))
    url, syntax = instance_of(decoded), transfer_syntax(decoded)
    media_type, encode = DECODED[syntax]
    as_held = await client.get(url, headers=accepting(DICOM, "*"))
    assert raw_dataset(as_held.content) == raw_dataset(decoded)
    by_default = await client.get(url, headers=accepting(DICOM))
    assert transfer_syntax(by_default.content) == (syntax if syntax in LOSSY else EXPLICIT)
    explicit = await client.get(url, headers=accepting(DICOM, EXPLICIT))
    assert np.array_equal(pixel_array(pydicom.dcmread(BytesIO(explicit.content))), IMAGE)
    native = await client.get(f"{url}/frames/1", headers=accepting(OCTETS))
    assert native.content == IMAGE.astype("<u2").tobytes()
    frame = await client.get(f"{url}/frames/1", headers=accepting(media_type, "*"))
    assert frame.headers["Content-Type"] == f"{media_type}; transfer-syntax={syntax}"
    assert frame.content.rstrip(b"\0") == encode(IMAGE).rstrip(b"\0")
    rendered = await client.get(f"{url}/rendered", headers=accepting("image/png"))
    least, most = int(IMAGE.min()), int(IMAGE.max())
    levels = np.floor((IMAGE.astype(float) - least) / (most - least) * 255 + 0.5)
    assert np.abs(np.asarray(Image.open(BytesIO(rendered.content))) - levels).max() <= 1


@pytest.mark.parametrize("opaque", NOT_DECODED, indirect=True)
async def test_what_is_not_decoded_here_is_to_be_had_as_it_is_held(
    client: httpx2.AsyncClient, employ: Employ, opaque: Path
) -> None:
    """Else it is 406, which names the instance or says in what it can be had."""
    employ(delivers(opaque))
    url, syntax = instance_of(opaque), transfer_syntax(opaque)
    media_type = NOT_DECODED[syntax]
    for accept in (accepting(DICOM), accepting(DICOM, "*"), accepting(DICOM, syntax)):
        assert raw_dataset((await client.get(url, headers=accept)).content) == raw_dataset(opaque)
    refused = await client.get(url, headers=accepting(DICOM, EXPLICIT))
    assert refused.status_code == 406
    assert f"{DICOM}; transfer-syntax={syntax}" in refused.json()["available"]
    for wanted in ("*/*", f'multipart/related; type="{media_type}"', f"{media_type}; transfer-syntax=*"):
        response = await client.get(f"{url}/bulkdata/7FE00010", headers=accepting(wanted))
        assert response.status_code == 200
        content = response.content if wanted.endswith("=*") else parts_of(response)[0].content
        assert content == STREAM
    for resource in ("/bulkdata/7FE00010", "/frames/1"):
        refused = await client.get(url + resource, headers=accepting(OCTETS, EXPLICIT))
        assert refused.status_code == 406
        assert f"{media_type}; transfer-syntax={syntax}" in refused.json()["available"]


@pytest.mark.parametrize("opaque", NOT_DECODED, indirect=True)
async def test_what_is_not_decoded_here_is_no_picture(
    client: httpx2.AsyncClient, employ: Employ, opaque: Path
) -> None:
    """A video is rendered as itself (Table 8.7.4-1)."""
    employ(delivers(opaque))
    url, media_type = instance_of(opaque), NOT_DECODED[transfer_syntax(opaque)]
    for resource in ("/rendered", "/thumbnail", "/frames/1/rendered"):
        response = await client.get(url + resource, headers=accepting("image/jpeg"))
        assert response.status_code == 406, resource
        members = response.json()
        assert members["available"]
        if "instance" in members:
            assert members["instance"] == identity(opaque).sop_instance_uid
    if media_type.startswith("video/"):
        for wanted in ("*/*", media_type, "video/*"):
            response = await client.get(f"{url}/rendered", headers=accepting(wanted))
            assert response.content == STREAM
            assert response.headers["Content-Type"] in {media_type, "video/mpeg"}
