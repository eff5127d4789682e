"""Softcopy presentation states (PS3.4 N, PS3.3 C.10, C.11)."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    BlendingSoftcopyPresentationStateStorage,
    ColorSoftcopyPresentationStateStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    PseudoColorSoftcopyPresentationStateStorage,
    SecondaryCaptureImageStorage,
)

from isthmus.wado.pictures.rendering import UnusablePresentation, Viewport
from tests.wado.rendering.images import LOSSLESS, Held, Pixels, item, made, part10, table
from tests.wado.rendering.reference import linear
from tests.wado.rendering.test_overlays import CROSS, Elements, overlay

NUMBERED = np.arange(24, dtype=np.uint8).reshape(4, 6)
"""4 rows, 6 columns."""


def reference(instance: str = "1.2.3", **attributes: object) -> Dataset:
    return item(
        ReferencedSOPClassUID=SecondaryCaptureImageStorage, ReferencedSOPInstanceUID=instance, **attributes
    )


def state(
    kind: str = GrayscaleSoftcopyPresentationStateStorage,
    elements: Elements | None = None,
    *,
    refers: Dataset | None = None,
    **attributes: object,
) -> bytes:
    """Make a presentation state that shows an image as it is, but for what is given."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = kind, "1.2.9"
    ds.ReferencedSeriesSequence = [
        item(SeriesInstanceUID="1.2", ReferencedImageSequence=[refers or reference()])
    ]
    ds.PresentationLUTShape = "IDENTITY"
    for tag, vr, value in elements or ():
        ds.add_new(tag, vr, value)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return part10(ds)


def presented(image: Held, presentation: bytes, viewport: Viewport | None = None, number: int = 1) -> Pixels:
    request = replace(LOSSLESS, presentation=presentation, viewport=viewport, frame_numbers=(number,))
    return image.picture(request)


def test_what_the_image_says_of_itself_is_overridden() -> None:
    image = made(
        NUMBERED,
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter="5",
        WindowWidth="3",
        RescaleSlope="9",
        RescaleIntercept="4",
        elements=overlay(CROSS),
    )
    assert np.array_equal(presented(image, state()), NUMBERED)


def test_its_luts_are_applied_in_their_order() -> None:
    presentation = state(
        RescaleSlope="2",
        RescaleIntercept="-10",
        SoftcopyVOILUTSequence=[item(WindowCenter="12", WindowWidth="20")],
        PresentationLUTShape="INVERSE",
    )
    expected = 255 - np.vectorize(linear)(NUMBERED * 2.0 - 10, 12, 20)
    assert np.abs(presented(made(NUMBERED), presentation) - expected).max() <= 0.51


def test_a_voi_lut_is_for_the_frames_that_it_names() -> None:
    of_second = item(
        WindowCenter="12",
        WindowWidth="20",
        ReferencedImageSequence=[reference(ReferencedFrameNumber=2)],
    )
    of_another = item(WindowCenter="1", WindowWidth="1", ReferencedImageSequence=[reference("1.2.4")])
    presentation = state(SoftcopyVOILUTSequence=[of_another, of_second])
    image = made([NUMBERED, NUMBERED])
    assert np.array_equal(presented(image, presentation), NUMBERED)
    expected = np.vectorize(linear)(NUMBERED, 12, 20)
    assert np.abs(presented(image, presentation, number=2) - expected).max() <= 0.51


def test_a_presentation_lut_is_applied() -> None:
    presentation = state(PresentationLUTSequence=[table(0, 16, 65535, 0)])
    image = made(np.array([[0, 100, 200, 255]], np.uint8))
    assert presented(image, presentation).tolist() == [[255, 255, 0, 0]]


@pytest.mark.parametrize(
    ("attributes", "picture"),
    [
        ({"ImageRotation": 90}, np.rot90(NUMBERED, -1)),
        ({"ImageRotation": 180}, NUMBERED[::-1, ::-1]),
        ({"ImageRotation": 270}, np.rot90(NUMBERED)),
        ({"ImageHorizontalFlip": "Y"}, NUMBERED[:, ::-1]),
        ({"ImageRotation": 90, "ImageHorizontalFlip": "Y"}, np.rot90(NUMBERED, -1)[:, ::-1]),
    ],
)
def test_the_image_is_turned_clockwise_and_then_flipped(attributes: dict[str, Any], picture: Pixels) -> None:
    assert np.array_equal(presented(made(NUMBERED), state(**attributes)), picture)


def _area(left: int, upper: int, right: int, lower: int, **attributes: object) -> list[Dataset]:
    return [
        item(
            DisplayedAreaTopLeftHandCorner=[left, upper],
            DisplayedAreaBottomRightHandCorner=[right, lower],
            **attributes,
        )
    ]


def test_the_displayed_area_is_shown() -> None:
    presentation = state(DisplayedAreaSelectionSequence=_area(2, 3, 4, 4))
    assert np.array_equal(presented(made(NUMBERED), presentation), NUMBERED[2:4, 1:4])


def test_of_a_turned_image_the_corners_are_those_that_are_seen() -> None:
    presentation = state(ImageRotation=180, DisplayedAreaSelectionSequence=_area(4, 4, 2, 3))
    assert np.array_equal(presented(made(NUMBERED), presentation), NUMBERED[3:1:-1, 3:0:-1])


def test_beside_the_image_the_displayed_area_is_black() -> None:
    expected = np.zeros((6, 8))
    expected[1:5, 1:7] = NUMBERED
    presentation = state(DisplayedAreaSelectionSequence=_area(0, 0, 7, 5))
    assert np.array_equal(presented(made(NUMBERED), presentation), expected)


def test_it_says_how_the_picture_is_scaled() -> None:
    magnified = _area(1, 1, 6, 4, PresentationSizeMode="MAGNIFY", PresentationPixelMagnificationRatio=3.0)
    assert presented(made(NUMBERED), state(DisplayedAreaSelectionSequence=magnified)).shape == (12, 18)
    wide = _area(1, 1, 6, 4, PresentationPixelAspectRatio=[1, 2])
    assert presented(made(NUMBERED), state(DisplayedAreaSelectionSequence=wide)).shape == (4, 12)
    assert presented(made(NUMBERED), state(ImageRotation=90), Viewport(8, 100)).shape == (12, 8)


def test_only_overlays_that_it_activates_are_drawn() -> None:
    gray = np.full((4, 5), 100, np.uint8)
    image = made(gray, elements=overlay(CROSS) + overlay(CROSS, origin=(2, 3), group=0x6002))
    activated = presented(image, state(elements=[(0x60021001, "CS", "ONE")]))
    assert not (activated[0] == 255).any()
    assert np.array_equal(activated[1:4, 2:5] == 255, CROSS == 1)


def test_its_own_overlays_are_drawn() -> None:
    image = made(np.full((3, 3), 100, np.uint8))
    elements = [*overlay(CROSS), (0x60001001, "CS", "ONE")]
    assert np.array_equal(presented(image, state(elements=elements)) == 255, CROSS == 1)


def test_an_overlay_may_be_a_shutter() -> None:
    image = made(np.full((3, 3), 100, np.uint8))
    presentation = state(
        elements=overlay(CROSS), ShutterShape="BITMAP", ShutterOverlayGroup=0x6000, ShutterPresentationValue=0
    )
    assert np.array_equal(presented(image, presentation), np.where(CROSS, 0, 100))


def _graphic(kind: str, *points: float, **attributes: object) -> dict[str, Any]:
    graphic = item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(points) // 2,
        GraphicData=list(points),
        GraphicType=kind,
        **attributes,
    )
    layer = item(GraphicLayer="A", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=0xFFFF)
    annotation = item(GraphicLayer="A", GraphicObjectSequence=[graphic])
    return {"GraphicLayerSequence": [layer], "GraphicAnnotationSequence": [annotation]}


BLANK = np.zeros((64, 64), np.uint8)


@pytest.mark.parametrize(
    ("graphic", "drawn", "not_drawn"),
    [
        (_graphic("POLYLINE", 10, 10, 50, 10), [(10, 30)], [(10, 60), (30, 30)]),
        (_graphic("POINT", 20, 30), [(30, 20)], [(20, 30)]),
        (_graphic("CIRCLE", 32, 32, 32, 12), [(12, 32), (32, 52), (52, 32)], [(32, 32), (12, 12)]),
        (_graphic("ELLIPSE", 2, 32, 62, 32, 32, 22, 32, 42), [(32, 2), (22, 32), (42, 32)], [(12, 32)]),
        (_graphic("INTERPOLATED", 5, 32, 32, 5, 59, 32), [(32, 5), (5, 32), (32, 59)], [(32, 32)]),
        (_graphic("POLYLINE", 10, 10, 50, 10, 50, 50, 10, 10, GraphicFilled="Y"), [(20, 40)], [(40, 20)]),
    ],
)
def test_graphics_are_drawn(
    graphic: dict[str, Any], drawn: list[tuple[int, int]], not_drawn: list[tuple[int, int]]
) -> None:
    picture = presented(made(BLANK), state(**graphic))
    near = np.max([np.roll(picture, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)], 0)
    assert all(near[place] == 255 for place in drawn)
    assert not any(picture[place] for place in not_drawn)


def test_graphics_are_turned_and_scaled_with_the_image() -> None:
    line = _graphic("POLYLINE", 10, 8, 50, 8)
    picture = presented(made(BLANK), state(ImageRotation=90, **line), Viewport(128, 128))
    column = 128 - 16
    assert picture[60, column - 2 : column + 2].any()
    assert not picture[60, : column - 4].any()


def test_graphics_of_another_image_are_not_drawn() -> None:
    line = _graphic("POLYLINE", 10, 8, 50, 8)
    line["GraphicAnnotationSequence"][0].ReferencedImageSequence = [reference("1.2.4")]
    assert not presented(made(BLANK), state(**line)).any()


def test_text_is_written() -> None:
    words = item(
        BoundingBoxAnnotationUnits="DISPLAY",
        UnformattedTextValue="Hi",
        BoundingBoxTopLeftHandCorner=[0.5, 0.5],
        BoundingBoxBottomRightHandCorner=[1.0, 1.0],
    )
    annotation = item(GraphicLayer="A", TextObjectSequence=[words])
    picture = presented(made(BLANK), state(GraphicAnnotationSequence=[annotation]))
    assert picture[32:, 32:].any()
    assert not picture[:32].any()


def test_text_is_written_in_its_characters() -> None:
    def written(value: bytes, character_set: str) -> Pixels:
        words = item(BoundingBoxAnnotationUnits="DISPLAY", BoundingBoxTopLeftHandCorner=[0.1, 0.1])
        words.add_new("UnformattedTextValue", "UN", value)
        annotation = item(GraphicLayer="A", TextObjectSequence=[words])
        presentation = state(SpecificCharacterSet=character_set, GraphicAnnotationSequence=[annotation])
        return presented(made(BLANK), presentation)

    in_latin, in_utf_8 = (
        written("ÄÖÜ".encode("latin-1") + b" ", "ISO_IR 100"),
        written("ÄÖÜ".encode(), "ISO_IR 192"),
    )
    assert in_latin.any()
    assert np.array_equal(in_latin, in_utf_8)


@pytest.mark.parametrize("places", [(1e30, -1e30, 5, 5), (float("nan"), 1, 2, 3), (1,), ()])
def test_graphics_that_lie_nowhere_do_no_harm(places: tuple[float, ...]) -> None:
    assert presented(made(BLANK), state(**_graphic("POLYLINE", *places))).shape == BLANK.shape


def test_pseudo_colours_are_spread_over_what_is_shown() -> None:
    elements: Elements = []
    for place, entries in enumerate(([0, 0xFFFF], [0xFFFF, 0], [0, 0])):
        elements.append((0x00281101 + place, "US", [2, 0, 16]))
        elements.append((0x00281201 + place, "OW", np.array(entries, "<u2").tobytes()))
    presentation = state(PseudoColorSoftcopyPresentationStateStorage, elements)
    picture = presented(made(np.array([[0, 255]], np.uint8)), presentation)
    assert picture.tolist() == [[[0, 255, 0], [255, 0, 0]]]


def test_a_color_presentation_state_is_for_colours() -> None:
    colours = np.full((4, 5, 3), 100, np.uint8)
    presentation = state(ColorSoftcopyPresentationStateStorage, ImageRotation=90)
    assert presented(made(colours), presentation).shape == (5, 4, 3)


@pytest.mark.parametrize(
    ("pixels", "presentation"),
    [
        (NUMBERED, state(BlendingSoftcopyPresentationStateStorage)),
        (NUMBERED, state(SecondaryCaptureImageStorage)),
        (NUMBERED, state(ColorSoftcopyPresentationStateStorage)),
        (np.zeros((2, 2, 3), np.uint8), state()),
        (NUMBERED, state(refers=reference("1.2.4"))),
        (NUMBERED, state(refers=reference(ReferencedFrameNumber=2))),
        (NUMBERED, state(MaskSubtractionSequence=[item(MaskOperation="AVG_SUB")])),
        (NUMBERED, b"no presentation state"),
    ],
)
def test_what_cannot_be_applied_is_refused(pixels: Pixels, presentation: bytes) -> None:
    with pytest.raises(UnusablePresentation):
        presented(made(pixels), presentation)
