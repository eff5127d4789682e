"""How pictures shall look (PS3.18 8.3.5); the formulas are those of PS3.3, not ours."""

from io import BytesIO
from pathlib import Path
from typing import Final

import httpx2
import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.peers import Orthanc
from tests.system.conformance.answers import warnings
from tests.system.conformance.archive import Archive
from tests.system.conformance.samples import Pixels, Sample, get, got, media_type, picture, pixels, sample
from tests.system.problem import problem
from tests.wado.objects import gray, inverting, written
from tests.wado.rendering.reference import linear, linear_exact, sigmoid

PNG: Final = "image/png"
SIDE: Final = 128
"""Of the CT image."""
FUNCTIONS: Final = {"linear": linear, "linear-exact": linear_exact, "sigmoid": sigmoid}


@pytest.fixture(scope="module")
def image(corpus: list[Path]) -> Sample:
    """A CT image of 128 x 128 pixels of signed 16 bits, with a rescale intercept and without a window."""
    return sample(corpus, "CT_small")


@pytest.fixture(scope="module")
def colour(corpus: list[Path]) -> Sample:
    """An ultrasound image in RGB, wider than high."""
    return sample(corpus, "examples_rgb_color")


def rendered(http: httpx2.Client, archive: Archive, image: Sample, **params: str) -> Pixels:
    """The pixels of its rendering without loss."""
    return pixels(got(http, f"{archive.root}{image.instance}/rendered", PNG, params).content)


def hounsfield(image: Sample) -> Pixels:
    ds = image.read()
    return ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)


def within_a_level(found: Pixels, expected: Pixels) -> bool:
    difference = np.abs(found.astype(np.int16) - np.floor(expected + 0.5).astype(np.int16))
    return found.shape == expected.shape and int(difference.max()) <= 1


@pytest.mark.parametrize("shape", FUNCTIONS)
@pytest.mark.parametrize(("center", "width"), [("40", "400"), ("-100.5", "1500"), ("0", "1")])
def test_8_3_5_1_4_a_window_has_a_center_a_width_and_one_of_three_functions(
    http: httpx2.Client, anywhere: Archive, image: Sample, shape: str, center: str, width: str
) -> None:
    """`window=center,width,shape`: `linear`, `linear-exact`, `sigmoid` (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    found = rendered(http, anywhere, image, window=f"{center},{width},{shape}")
    if (shape, width) == ("linear", "1"):
        expected = np.where(hounsfield(image) > float(center) - 0.5, 255.0, 0.0)
    else:
        expected = np.vectorize(FUNCTIONS[shape])(hounsfield(image), float(center), float(width))
    assert within_a_level(found, expected)


@pytest.mark.parametrize(
    ("viewport", "size"),
    [
        ("128,128", (128, 128)),
        ("64,32", (32, 32)),
        ("256,512", (256, 256)),
        ("1,1", (1, 1)),
        ("500,128", (128, 128)),
    ],
)
def test_8_3_5_1_3_an_image_is_as_large_as_its_viewport_allows(
    http: httpx2.Client, origin: Archive, image: Sample, viewport: str, size: tuple[int, int]
) -> None:
    """`viewport=vw,vh`: whichever of width and height avoids truncation, and nothing is distorted."""
    response = got(http, f"{origin.root}{image.instance}/rendered", PNG, {"viewport": viewport})
    assert picture(response.content).size == size


def test_8_3_5_1_3_the_aspect_ratio_is_kept(http: httpx2.Client, corpus: list[Path], colour: Sample) -> None:
    ds = colour.read()
    url = f"/aets/orthanc-both{colour.instance}/rendered"
    width, height = picture(got(http, url, PNG, {"viewport": "100,1000"}).content).size
    assert width == 100
    assert abs(height - 100 * ds.Rows / ds.Columns) <= 0.5


def test_8_3_5_1_3_without_a_viewport_nothing_is_scaled(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    assert rendered(http, origin, image).shape == (SIDE, SIDE)


@pytest.mark.parametrize(
    ("region", "rows", "columns"),
    [
        ("10,20,40,30", slice(20, 50), slice(10, 50)),
        (",,40,30", slice(0, 30), slice(0, 40)),
        ("98,108", slice(108, 128), slice(98, 128)),
        ("98,108,,", slice(108, 128), slice(98, 128)),
        ("10,20,-40,30", slice(20, 50), slice(49, 9, -1)),
        ("10,20,40,-30", slice(49, 19, -1), slice(10, 50)),
        ("-10,-20,-40,-30", slice(49, 19, -1), slice(49, 9, -1)),
    ],
)
def test_8_3_5_1_3_a_region_is_cut_out_and_perhaps_flipped(
    http: httpx2.Client, origin: Archive, image: Sample, region: str, rows: slice, columns: slice
) -> None:
    """`viewport=vw,vh,sx,sy,sw,sh`: values may be left out, a negative side flips."""
    expected = rendered(http, origin, image)[rows, columns]
    height, width = expected.shape
    found = rendered(http, origin, image, viewport=f"{width},{height},{region}")
    assert np.array_equal(found, expected)


def test_8_3_5_1_3_a_region_is_scaled_to_its_viewport(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    assert rendered(http, origin, image, viewport="80,80,10,20,40,20").shape == (40, 80)


def test_8_3_5_1_2_quality_is_how_near_a_jpeg_comes(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    """`quality=1..100`, with 100 the best; of media types that lose something."""
    url = f"{origin.root}{image.instance}/rendered"
    expected = rendered(http, origin, image).astype(np.int16)
    contents = [got(http, url, "image/jpeg", {"quality": each}).content for each in ("1", "50", "100")]
    assert sorted(contents, key=len) == contents
    errors = [np.abs(pixels(content) - expected).max() for content in contents]
    assert sorted(errors, reverse=True) == errors
    assert errors[-1] <= 2
    assert np.array_equal(rendered(http, origin, image, quality="1"), expected)


@pytest.mark.parametrize("annotation", ["patient", "technique", "patient,technique"])
def test_8_3_5_1_1_annotations_are_burned_in(
    http: httpx2.Client, origin: Archive, image: Sample, annotation: str
) -> None:
    """`annotation=patient,technique`; without it there is none."""
    plain = rendered(http, origin, image, viewport="512,512")
    annotated = rendered(http, origin, image, viewport="512,512", annotation=annotation)
    assert plain.shape == annotated.shape
    share = float(np.mean(plain != annotated))
    assert 0.001 < share < 0.3


def test_8_3_5_1_1_what_cannot_be_annotated_is_ignored_with_a_warning(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    url = f"{origin.root}{image.instance}/rendered"
    response = got(http, url, PNG, {"annotation": "weather"})
    assert "The following annotation values are not supported: weather" in warnings(response)
    assert response.content == got(http, url, PNG).content


@pytest.mark.parametrize("accept", ["image/jpeg", "image/png"])
@pytest.mark.parametrize(
    ("profile", "described"),
    [("yes", ""), ("srgb", "sRGB"), ("adobergb", "Adobe"), ("rommrgb", "ROMM"), ("no", None)],
)
def test_8_3_5_1_5_a_picture_has_the_icc_profile_that_was_asked_for(
    http: httpx2.Client, colour: Sample, accept: str, profile: str, described: str | None
) -> None:
    url = f"/aets/orthanc-both{colour.instance}/rendered"
    opened = picture(got(http, url, accept, {"iccprofile": profile}).content)
    embedded = opened.info.get("icc_profile")
    if described is None:
        assert embedded is None
    else:
        assert isinstance(embedded, bytes)
        text = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(embedded)))
        assert described in text


def test_8_3_5_1_5_pixels_are_in_the_colours_of_the_profile(http: httpx2.Client, colour: Sample) -> None:
    """What is shown with one profile looks as with another, and has other numbers."""
    url = f"/aets/orthanc-both{colour.instance}/rendered"
    srgb, adobe = (
        picture(got(http, url, PNG, {"iccprofile": each}).content) for each in ("srgb", "adobergb")
    )
    assert not np.array_equal(np.asarray(srgb), np.asarray(adobe))
    profile = ImageCms.ImageCmsProfile(BytesIO(adobe.info["icc_profile"]))
    converted = ImageCms.profileToProfile(adobe, profile, ImageCms.createProfile("sRGB"))
    assert isinstance(converted, Image.Image)
    difference = np.abs(np.asarray(converted).astype(np.int16) - np.asarray(srgb))
    assert difference.mean() < 1


def test_8_3_5_1_5_a_media_type_that_holds_none_is_400(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    url = f"{origin.root}{image.instance}/rendered"
    assert problem(get(http, url, "image/gif", {"iccprofile": "srgb"}), 400)["parameter"] == "iccprofile"
    assert media_type(got(http, url, "image/gif", {"iccprofile": "no"})) == "image/gif"


def test_8_3_3_2_texts_are_in_utf_8(http: httpx2.Client, anywhere: Archive, corpus: list[Path]) -> None:
    """`charset` may say so; another character set alone is 400."""
    url = f"{anywhere.root}{sample(corpus, 'test-SR').instance}/rendered"
    for charset in ("UTF-8", "iso-8859-1,utf-8;q=0.5"):
        response = got(http, url, "text/html", {"charset": charset})
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert problem(get(http, url, "text/html", {"charset": "iso-8859-1"}), 400)["parameter"] == "charset"


@pytest.mark.parametrize(
    ("viewport", "size"),
    [(None, (128, 128)), ("64,64", (64, 64)), ("300,20", (20, 20)), ("200,200", (200, 200))],
)
def test_8_3_5_2_a_thumbnail_has_a_viewport_of_two_numbers(
    http: httpx2.Client, origin: Archive, image: Sample, viewport: str | None, size: tuple[int, int]
) -> None:
    params = {} if viewport is None else {"viewport": viewport}
    response = got(http, f"{origin.root}{image.instance}/thumbnail", params=params)
    assert picture(response.content).size == size


WRONG: Final = {
    "annotation": ("", "patient,,technique", "a b"),
    "quality": ("", "0", "101", "-1", "1.5", "best"),
    "viewport": (
        *("", "128", "0,128", "128,-1", "16385,1", "1,16385", "a,b", "1,1,0,0,0,1", "1,1,0,0,1,0"),
        *("1,1,x,0,1,1", "1,1,0,0,1,1,1", "64,64,128,0,64,64"),
    ),
    "window": (
        *("", "40", "40,400", "40,400,round", "40,x,linear", "nan,400,linear"),
        *("40,0,linear", "40,0,linear-exact", "40,0,sigmoid", "40,-1,linear"),
    ),
    "iccprofile": ("", "sRGB", "lab"),
    "charset": ("", "latin-1"),
}
"""Parameters that there are, with values that cannot be."""


@pytest.mark.parametrize("resource", ["/rendered", "/frames/1/rendered"])
@pytest.mark.parametrize("name", WRONG)
def test_8_3_5_a_parameter_that_cannot_be_is_400_and_named(
    http: httpx2.Client, origin: Archive, image: Sample, name: str, resource: str
) -> None:
    for value in WRONG[name]:
        response = get(http, f"{origin.root}{image.instance}{resource}", params={name: value})
        assert problem(response, 400)["parameter"] == name, value


@pytest.mark.parametrize("value", ["", "64", "64,64,0,0,10,10", "0,64", "16385,64"])
def test_8_3_5_2_of_a_thumbnail_too(http: httpx2.Client, origin: Archive, image: Sample, value: str) -> None:
    url = f"{origin.root}{image.instance}/thumbnail"
    assert problem(get(http, url, params={"viewport": value}), 400)["parameter"] == "viewport"


def test_8_3_a_parameter_that_there_is_not_is_ignored_and_one_twice_is_400(
    http: httpx2.Client, origin: Archive, image: Sample
) -> None:
    url = f"{origin.root}{image.instance}/rendered"
    assert got(http, url, PNG, {"sharpen": "yes"}).content == got(http, url, PNG).content
    assert problem(http.get(f"{url}?quality=1&quality=2"), 400)["parameter"] == "quality"


@pytest.mark.parametrize(("name", "value"), [("window", "1,1,linear"), ("viewport", "9,9,1,1,1,1")])
def test_8_3_5_1_a_presentation_state_has_a_window_and_a_region_of_its_own(
    http: httpx2.Client, empty_orthanc: Orthanc, tmp_path: Path, name: str, value: str
) -> None:
    """8.3.5.1.3 and 8.3.5.1.4: then it is 400; the size of a viewport is allowed."""
    ds = gray([50], study=f"1.2.826.8.3.{len(name)}", series=f"1.2.826.8.3.{len(name)}.1")
    image, state = tmp_path / "image", tmp_path / "state"
    image.write_bytes(written(ds))
    state.write_bytes(inverting(ds))
    empty_orthanc.load([image, state])
    url = f"/aets/empty{Sample(state).instance}/rendered"
    response = got(http, url, PNG, {"viewport": "6,6"})
    assert picture(response.content).size == (6, 4)
    assert {*pixels(response.content).flat} == {205}
    assert problem(get(http, url, PNG, {name: value}), 400)["parameter"] == name
