"""Colour profiles (PS3.18 8.3.5.1.5)."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from isthmus.wado.pictures.rendering import IccProfile, MediaType
from isthmus.wado.pictures.rendering.icc_profiles import adobe_rgb, gray, romm_rgb, srgb
from tests.wado.rendering.images import LOSSLESS, Pixels, item, made

COLOURS = np.random.default_rng(7).integers(0, 256, (16, 16, 3), np.uint8)
GRAY = COLOURS[..., 0]


def _profile_name(picture: Image.Image) -> str:
    profile = ImageCms.ImageCmsProfile(BytesIO(picture.info["icc_profile"]))
    return ImageCms.getProfileDescription(profile).strip()


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (IccProfile.YES, "sRGB IEC61966-2.1"),
        (IccProfile.SRGB, "sRGB IEC61966-2.1"),
        (IccProfile.ADOBE_RGB, "Adobe RGB (1998) compatible"),
        (IccProfile.ROMM_RGB, "ROMM RGB ISO 22028-2"),
    ],
)
@pytest.mark.parametrize("media_type", [MediaType.JPEG, MediaType.PNG])
def test_the_profile_that_is_asked_for_is_embedded(
    wanted: IccProfile, name: str, media_type: MediaType
) -> None:
    request = replace(LOSSLESS, icc_profile=wanted, media_type=media_type)
    assert _profile_name(made(COLOURS).opened(request)) == name


@pytest.mark.parametrize("wanted", [None, IccProfile.NO])
def test_none_is_embedded_that_is_not_asked_for(wanted: IccProfile | None) -> None:
    assert "icc_profile" not in made(COLOURS).opened(replace(LOSSLESS, icc_profile=wanted)).info


@pytest.mark.parametrize("wanted", [None, IccProfile.YES])
def test_that_of_the_object_is_embedded(wanted: IccProfile | None) -> None:
    picture = made(COLOURS, ICCProfile=adobe_rgb()).opened(replace(LOSSLESS, icc_profile=wanted))
    assert picture.info["icc_profile"] == adobe_rgb()
    assert np.array_equal(np.asarray(picture), COLOURS)


def test_that_of_an_optical_path_is_the_objects() -> None:
    picture = made(COLOURS, OpticalPathSequence=[item(ICCProfile=adobe_rgb())]).opened()
    assert picture.info["icc_profile"] == adobe_rgb()


def test_no_is_heard_though_the_object_has_one() -> None:
    picture = made(COLOURS, ICCProfile=adobe_rgb()).opened(replace(LOSSLESS, icc_profile=IccProfile.NO))
    assert "icc_profile" not in picture.info


@pytest.mark.parametrize("profile", [b"no profile at all", gray(), srgb()[:200]])
def test_an_unusable_one_is_left_out(profile: bytes) -> None:
    assert "icc_profile" not in made(COLOURS, ICCProfile=profile + b"\0" * (len(profile) % 2)).opened().info


def test_colours_are_transformed() -> None:
    wide = made(np.array([[[0, 255, 0], [128, 128, 128]]], np.uint8), ICCProfile=adobe_rgb())
    picture = wide.picture(replace(LOSSLESS, icc_profile=IccProfile.SRGB))
    assert picture[0, 0].tolist() == [0, 255, 0]  # out of gamut: clipped
    narrow = made(np.array([[[0, 255, 0], [128, 128, 128]]], np.uint8))
    picture = narrow.picture(replace(LOSSLESS, icc_profile=IccProfile.ADOBE_RGB))
    assert np.abs(picture[0, 0].astype(int) - [144, 255, 60]).max() <= 1  # as published
    assert np.ptp(picture[0, 1]) <= 1


def test_gray_stays_gray() -> None:
    picture = made(GRAY).opened(replace(LOSSLESS, icc_profile=IccProfile.YES))
    assert picture.mode == "L"
    assert _profile_name(picture) == "Gray, sRGB curve"


def test_gray_becomes_colours_where_a_colour_space_is_asked_for() -> None:
    picture = made(GRAY).picture(replace(LOSSLESS, icc_profile=IccProfile.SRGB))
    assert np.array_equal(picture, np.repeat(GRAY[:, :, None], 3, axis=2))


@pytest.mark.parametrize("made_here", [srgb, adobe_rgb, romm_rgb])
def test_white_and_gray_of_the_profiles_are_neutral(made_here: object) -> None:
    assert callable(made_here)
    lab = _to_lab(made_here(), np.array([[[255] * 3, [119] * 3, [0] * 3]], np.uint8))
    assert np.abs(lab[0, :, 1:]).max() <= 1
    assert lab[0, 0, 0] == 255


def test_our_srgb_is_that_of_little_cms() -> None:
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(_to_lab(srgb(), COLOURS) - _to_lab(theirs, COLOURS)).max() <= 1


def _to_lab(profile: bytes, pixels: Pixels) -> Pixels:
    lab = ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(BytesIO(profile)),
        ImageCms.createProfile("LAB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="LAB",
    )
    assert lab is not None
    values = np.asarray(lab).astype(int)
    values[..., 1:] = (values[..., 1:] + 128) % 256 - 128
    return values
