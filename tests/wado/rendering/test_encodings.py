"""JPEG, PNG and GIF (PS3.18 8.7.4)."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from isthmus.wado.pictures.rendering import MediaType, RenderingError, RenderRequest, Viewport, render
from tests.wado.rendering.images import LOSSLESS, Pixels, item, made

NOISE = np.random.default_rng(5).integers(0, 256, (64, 48), np.uint8)
COLOURS = np.random.default_rng(6).integers(0, 256, (32, 32, 3), np.uint8)
GIF = RenderRequest(MediaType.GIF)


@pytest.mark.parametrize("media_type", MediaType)
@pytest.mark.parametrize("pixels", [NOISE, COLOURS])
def test_each_media_type_is_what_it_says(media_type: MediaType, pixels: Pixels) -> None:
    picture = made(pixels).opened(RenderRequest(media_type))
    assert Image.MIME[picture.format or ""] == media_type.value
    assert picture.size == pixels.shape[1::-1]


def test_quality_says_how_much_of_a_jpeg_is_kept() -> None:
    image = made(NOISE)
    sizes = [
        len(image.rendered(RenderRequest(MediaType.JPEG, quality=quality))) for quality in (1, 50, 90, 100)
    ]
    assert sizes == sorted(sizes)
    best = image.picture(RenderRequest(MediaType.JPEG, quality=100)).astype(int)
    assert np.abs(best - NOISE).max() <= 2


def test_a_gray_jpeg_has_one_component() -> None:
    assert made(NOISE).opened(RenderRequest(MediaType.JPEG)).mode == "L"


def test_a_jpeg_is_not_wider_than_a_jpeg_can_be() -> None:
    with pytest.raises(RenderingError):
        made(np.zeros((1, 65535), np.uint8)).rendered(RenderRequest(MediaType.JPEG))


def test_a_gif_keeps_gray() -> None:
    assert np.array_equal(np.asarray(made(NOISE).opened(GIF).convert("L")), NOISE)


def test_a_gif_has_all_frames_also_where_they_are_alike() -> None:
    frames = [NOISE, NOISE, 255 - NOISE, 255 - NOISE]
    picture = made(frames).opened(replace(GIF, frame_numbers=(1, 2, 3, 4)))
    shown = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(picture)]
    assert np.array_equal(shown, frames)


def test_a_gif_of_colours_has_a_palette_for_each_frame() -> None:
    frames = [np.full((8, 8, 3), colour, np.uint8) for colour in ((250, 0, 0), (0, 0, 250))]
    picture = made(frames).opened(replace(GIF, frame_numbers=(1, 2)))
    shown = [np.asarray(frame.convert("RGB"))[0, 0].tolist() for frame in ImageSequence.Iterator(picture)]
    assert shown == [[250, 0, 0], [0, 0, 250]]


@pytest.mark.parametrize(
    ("attributes", "milliseconds"),
    [
        ({}, [100, 100, 100]),
        ({"FrameTime": "40"}, [40, 40, 40]),
        ({"FrameTimeVector": ["0", "50", "200"], "FrameTime": "30"}, [50, 200, 30]),
        ({"CineRate": "25", "FrameTime": "500"}, [40, 40, 40]),
        ({"RecommendedDisplayFrameRate": "10", "CineRate": "25"}, [100, 100, 100]),
        ({"FrameTime": "0.5"}, [20, 20, 20]),
        ({"FrameTime": "-7"}, [100, 100, 100]),
    ],
)
def test_frames_are_shown_as_long_as_the_object_says(
    attributes: dict[str, Any], milliseconds: list[int]
) -> None:
    image = made([NOISE, 255 - NOISE, NOISE], **attributes)
    picture = image.opened(replace(GIF, frame_numbers=(1, 2, 3)))
    assert [frame.info["duration"] for frame in ImageSequence.Iterator(picture)] == milliseconds


@pytest.mark.parametrize(("sequencing", "loops"), [(None, True), (0, True), (2, False)])
def test_an_animation_begins_again_unless_the_object_says_no(sequencing: int | None, *, loops: bool) -> None:
    attributes: dict[str, Any] = {} if sequencing is None else {"PreferredPlaybackSequencing": sequencing}
    image = made([NOISE, NOISE], **attributes)
    assert ("loop" in image.opened(replace(GIF, frame_numbers=(1, 2))).info) == loops


def test_frames_of_a_gif_are_of_one_size() -> None:
    groups = [
        item(PixelMeasuresSequence=[item(PixelSpacing=spacing)]) for spacing in (["1", "1"], ["2", "1"])
    ]
    image = made([NOISE, NOISE], PerFrameFunctionalGroupsSequence=groups)
    picture = image.opened(replace(GIF, frame_numbers=(1, 2)))
    assert {frame.size for frame in ImageSequence.Iterator(picture)} == {(48, 64)}


def test_frames_of_a_gif_fit_in_the_viewport() -> None:
    request = replace(GIF, frame_numbers=(2, 1), viewport=Viewport(24, 24))
    assert made([NOISE, NOISE]).opened(request).size == (18, 24)


def test_there_is_a_frame_for_each_number() -> None:
    image = made([NOISE, NOISE])
    with pytest.raises(ValueError, match="for each number"):
        render(image.head, image.description, image.frames, LOSSLESS)


def test_several_frames_make_no_png() -> None:
    image = made([NOISE, NOISE])
    with pytest.raises(ValueError, match="takes one frame"):
        render(image.head, image.description, image.frames, replace(LOSSLESS, frame_numbers=(1, 2)))
