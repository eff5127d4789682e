"""Headers that say what cannot be, frames that are large, and what crosses between processes."""

import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from pydicom.datadict import tag_for_keyword

from isthmus.common.pixels.errors import FrameTooLarge, NoPixels
from isthmus.wado.pictures.rendering import (
    Annotation,
    IccProfile,
    MediaType,
    OutsideImage,
    RenderingError,
    RenderRequest,
    UnusablePresentation,
    Viewport,
    Window,
    render,
)
from tests.wado.rendering.images import LOSSLESS, made, with_raw
from tests.wado.rendering.test_presentation_states import state

KEYWORDS = """
    CenterOfCircularShutter CineRate FrameTime FrameTimeVector GraphicAnnotationSequence ICCProfile
    ImageRotation ImagerPixelSpacing ModalityLUTSequence OpticalPathSequence PatientBirthDate PatientID
    PatientName PerFrameFunctionalGroupsSequence PixelAspectRatio PixelPaddingRangeLimit
    PixelPaddingValue PixelPresentation PixelSpacing PreferredPlaybackSequencing PresentationLUTSequence
    PresentationLUTShape RadiusOfCircularShutter RedPaletteColorLookupTableDescriptor RescaleIntercept
    RescaleSlope SegmentedRedPaletteColorLookupTableData SharedFunctionalGroupsSequence
    ShutterLeftVerticalEdge ShutterOverlayGroup ShutterShape StudyDate VOILUTFunction VOILUTSequence
    VerticesOfThePolygonalShutter WindowCenter WindowWidth
"""
OVERLAY = [0x60000000 + element for element in (0x10, 0x11, 0x15, 0x50, 0x51, 0x100, 0x102, 0x1001, 0x3000)]
GRAY = np.arange(256, dtype=np.uint16).reshape(16, 16)
ALL = RenderRequest(
    MediaType.JPEG,
    quality=7,
    viewport=Viewport(20, 20),
    annotations=frozenset(Annotation),
    icc_profile=IccProfile.ADOBE_RGB,
)


TAGS = [tag for keyword in KEYWORDS.split() if (tag := tag_for_keyword(keyword)) is not None] + OVERLAY


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\0\0",
        b"\xff\xff",
        b"\xff" * 8,
        b"\0" * 40,
        b"-1",
        b"nan ",
        b"1e999 ",
        b"\\\\\\ ",
        b"9" * 20,
        b"CIRCULAR",
    ],
)
def test_values_that_cannot_be_do_no_harm(value: bytes) -> None:
    image = made(GRAY)
    assert image._replace(head=with_raw(image.head, TAGS, "UN", value)).opened(ALL).size == (20, 20)
    request = replace(LOSSLESS, presentation=with_raw(state(), TAGS, "UN", value))
    assert image.picture(request).size > 0


def test_a_header_that_cannot_be_read_is_said_so() -> None:
    image = made(GRAY)
    damaged = with_raw(image.head, [0x00080005], "US", b"\1\0")
    with pytest.raises(NoPixels):
        image._replace(head=damaged).picture()
    with pytest.raises(UnusablePresentation):
        image.picture(replace(LOSSLESS, presentation=damaged))


def test_a_frame_that_is_too_large_is_refused_before_it_is_decoded() -> None:
    image = made(GRAY)
    with pytest.raises(FrameTooLarge):
        render(image.head, image.description, image.frames, LOSSLESS, max_frame_bytes=511)


@pytest.mark.parametrize("error", [RenderingError, OutsideImage, UnusablePresentation])
def test_failures_cross_to_another_process(error: type[RenderingError]) -> None:
    crossed = pickle.loads(pickle.dumps(error("why")))
    assert (type(crossed), crossed.detail) == (error, "why")


def test_a_request_crosses_to_another_process() -> None:
    request = replace(ALL, window=Window(1, 2), presentation=b"state")
    assert pickle.loads(pickle.dumps(request)) == request


@pytest.mark.parametrize(
    ("dtype", "window"), [("u2", Window(500, 1000)), ("i2", None), ("f4", None), ("u4", None), ("f8", None)]
)
def test_a_large_frame_takes_little_more_memory_than_its_bytes(dtype: str, window: Window | None) -> None:
    pixels = np.zeros((2048, 4096), dtype)
    pixels[0, 0] = 1000
    image = made(pixels)
    request = replace(LOSSLESS, viewport=Viewport(64, 64), window=window)
    tracemalloc.start()
    try:
        image.rendered(request)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * pixels.nbytes + 64 * 1024 * 1024
