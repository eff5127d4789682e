"""What nobody should ask for, and what nobody should send: each is refused, and the next request is served.

A problem names the parameter that is wrong, or the instance.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import pytest

from isthmus.common.pixels.errors import FrameTooLarge
from isthmus.common.pixels.syntaxes import DEFLATED_FRAMES
from tests.data_sets.hostile_pixels import HTJ2K_LOSSLESS, JPEG_XL_LOSSLESS, hostile_files, hostile_pixels
from tests.peers import Orthanc
from tests.system.conformance.archive import Archive
from tests.system.conformance.samples import (
    DICOM,
    EXPLICIT,
    OCTETS,
    Sample,
    get,
    got,
    sample,
)
from tests.system.problem import problem

ORTHANC: Final = "/aets/orthanc-both"
LARGEST: Final = 16_384


@pytest.fixture(scope="module")
def image(corpus: list[Path]) -> Sample:
    return sample(corpus, "CT_small")


@pytest.fixture(autouse=True)
def still_served(http: httpx2.Client, image: Sample) -> Iterator[None]:
    """Whatever was asked for, the service serves the next request."""
    yield
    assert got(http, f"{ORTHANC}{image.instance}/rendered", params={"quality": "80"}).content


@pytest.mark.parametrize("resource", ["", "/rendered", "/thumbnail"])
def test_a_list_of_frames_that_is_none_is_400(
    http: httpx2.Client, origin: Archive, image: Sample, resource: str
) -> None:
    for listed in ("0", "0,1", "1,0", "-1", "1-2", "1.0", "x", "1,,1", "%20", "9" * 30):
        response = http.get(f"{origin.root}{image.instance}/frames/{listed}{resource}")
        assert problem(response, 400)["parameter"] == "frames"


@pytest.mark.parametrize("resource", ["", "/rendered", "/thumbnail"])
def test_a_frame_beyond_the_last_is_404(
    http: httpx2.Client, origin: Archive, image: Sample, resource: str
) -> None:
    for listed in ("2", "1,2", "65536"):
        problem(http.get(f"{origin.root}{image.instance}/frames/{listed}{resource}"), 404)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("window", "40,0,linear"),
        ("window", "40,0,linear-exact"),
        ("window", "40,0,sigmoid"),
        ("viewport", f"{LARGEST + 1},{LARGEST + 1}"),
        ("viewport", f"1,{LARGEST + 1}"),
        ("viewport", f"{10**20},1"),
        ("viewport", "64,64,1000,1000,1,1"),
    ],
)
def test_a_window_of_no_width_and_a_viewport_that_is_too_large_are_400(
    http: httpx2.Client, origin: Archive, image: Sample, parameter: str, value: str
) -> None:
    response = get(http, f"{origin.root}{image.instance}/rendered", params={parameter: value})
    assert problem(response, 400)["parameter"] == parameter


@pytest.mark.parametrize("name", ["rtplan", "rtstruct", "waveform_ecg"])
@pytest.mark.parametrize("resource", ["/rendered", "/thumbnail", "/frames/1/rendered", "/frames/1/thumbnail"])
def test_a_picture_of_an_object_without_pixels_is_406(
    http: httpx2.Client, origin: Archive, corpus: list[Path], name: str, resource: str
) -> None:
    """And lists what can be had of it."""
    plain = sample(corpus, name)
    members = problem(get(http, f"{origin.root}{plain.instance}{resource}"), 406)
    assert members["instance"] == plain.who.sop_instance_uid
    assert members["available"] == [DICOM]


@pytest.mark.parametrize("name", ["rtplan", "test-SR"])
@pytest.mark.parametrize("resource", ["/frames/1", "/pixeldata", "/bulkdata/7FE00010"])
def test_pixels_of_an_object_without_pixels_are_404(
    http: httpx2.Client, origin: Archive, corpus: list[Path], name: str, resource: str
) -> None:
    problem(get(http, f"{origin.root}{sample(corpus, name).instance}{resource}"), 404)


def test_a_bulkdata_uri_of_another_study_series_or_instance_is_404(
    http: httpx2.Client, origin: Archive, corpus: list[Path], image: Sample
) -> None:
    """UIDs that are each there, and do not belong together."""
    other = sample(corpus, "MR_small").who
    study, series, instance = image.who[1:]
    assert got(http, f"{origin.root}{image.instance}/bulkdata/7FE00010", OCTETS).content
    for path in (
        f"/studies/{other.study_instance_uid}/series/{series}/instances/{instance}",
        f"/studies/{study}/series/{other.series_instance_uid}/instances/{instance}",
        f"/studies/{study}/series/{series}/instances/{other.sop_instance_uid}",
    ):
        for resource in ("/bulkdata/7FE00010", "/frames/1", "/rendered", "", "/metadata"):
            problem(get(http, f"{origin.root}{path}{resource}"), 404)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("00104000", 404),
        ("7FE00010/1/00100010", 404),
        ("PixelData", 400),
        ("7FE0001", 400),
        ("7FE00010/x", 400),
        ("..%2F..%2F..%2Fmetadata", 400),
        ("7FE00010%00", 400),
    ],
)
def test_a_bulkdata_uri_that_leads_nowhere_is_refused(
    http: httpx2.Client, origin: Archive, image: Sample, value: str, status: int
) -> None:
    problem(http.get(f"{origin.root}{image.instance}/bulkdata/{value}"), status)


NOT_SENT_BY_ORTHANC: Final = frozenset({DEFLATED_FRAMES, HTJ2K_LOSSLESS, JPEG_XL_LOSSLESS})
"""Its DCMTK does not know them; what is damaged in them is tested without it."""
HOSTILE: Final = {
    name: hostile
    for name, hostile in hostile_pixels().items()
    if hostile.description.transfer_syntax_uid not in NOT_SENT_BY_ORTHANC
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, _writable_orthanc: Orthanc) -> dict[str, Sample]:
    """Images with damaged frames and with ones that are bombs, in the origin that is written to."""
    files = hostile_files(tmp_path_factory.mktemp("hostile"))
    _writable_orthanc.delete_all()
    _writable_orthanc.load(files[name] for name in HOSTILE)
    return {name: Sample(files[name]) for name in HOSTILE}


@pytest.mark.parametrize("name", [name for name in HOSTILE if not name.startswith("native-")])
def test_pixels_that_are_damaged_are_406_and_bombs_413(
    http: httpx2.Client, hostile: dict[str, Sample], name: str
) -> None:
    """Rendered and decoded alike; the problem names the instance."""
    image, is_bomb = hostile[name], HOSTILE[name].error is FrameTooLarge
    for resource, accept in (
        ("/rendered", "*/*"),
        ("/thumbnail", "*/*"),
        ("/frames/1/rendered", "image/png"),
        ("/frames/1", f"{OCTETS}; transfer-syntax={EXPLICIT}"),
        ("/bulkdata/7FE00010", f"{OCTETS}; transfer-syntax={EXPLICIT}"),
    ):
        response = get(http, f"/aets/empty{image.instance}{resource}", accept)
        members = problem(response, 413 if is_bomb else 406)
        assert members["instance"] == image.who.sop_instance_uid


@pytest.mark.parametrize("name", [name for name in HOSTILE if not name.startswith("native-")])
def test_objects_with_such_pixels_can_be_had_as_they_are_only(
    http: httpx2.Client, hostile: dict[str, Sample], name: str
) -> None:
    """And the problem says so. Of a bomb it may be said too that it fits into no value (8.7.8.1, Note 1)."""
    image = hostile[name]
    url = f"/aets/empty{image.instance}"
    refused = get(http, url, f"{DICOM}; transfer-syntax={EXPLICIT}")
    is_bomb = HOSTILE[name].error is FrameTooLarge
    members = problem(refused, 413 if is_bomb and refused.status_code == 413 else 406)
    assert members["instance"] == image.who.sop_instance_uid
    assert got(http, url, f"{DICOM}; transfer-syntax=*").content
    held = HOSTILE[name].description.transfer_syntax_uid
    if refused.status_code == 406:
        assert members["available"] == [f"{DICOM}; transfer-syntax={held}"]


def test_native_pixels_that_are_too_few_are_no_picture(
    http: httpx2.Client, hostile: dict[str, Sample]
) -> None:
    for name in ("native-cut", "native-garbage"):
        members = problem(get(http, f"/aets/empty{hostile[name].instance}/rendered"), 406)
        assert members["instance"] == hostile[name].who.sop_instance_uid
    problem(get(http, f"/aets/empty{hostile['native-empty'].instance}/rendered"), 406)
