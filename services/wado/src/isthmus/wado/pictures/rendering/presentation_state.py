"""Softcopy presentation states: how an image looks by another object (PS3.4 N, PS3.3 A.33)."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from isthmus.common.pixels.description import PixelDescription, PixelElement
from isthmus.common.pixels.errors import NoPixels
from isthmus.wado.pictures.rendering.appearance import Appearance, Mask
from isthmus.wado.pictures.rendering.errors import UnusablePresentation
from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.geometry import Box, Placement, size_of
from isthmus.wado.pictures.rendering.graphics import Graphics
from isthmus.wado.pictures.rendering.grayscale import GrayscaleStages
from isthmus.wado.pictures.rendering.modality import Transform, transform_of
from isthmus.wado.pictures.rendering.overlays import GROUPS, drawn
from isthmus.wado.pictures.rendering.padding import padding_range
from isthmus.wado.pictures.rendering.palette import Palette
from isthmus.wado.pictures.rendering.pixel_shape import pixel_height, presented_pixel_height
from isthmus.wado.pictures.rendering.presentation_lut import presentation_transform
from isthmus.wado.pictures.rendering.request import Viewport
from isthmus.wado.pictures.rendering.shutters import level, shuttered
from isthmus.wado.pictures.rendering.values import element_of, header_of, items, number, numbers, text
from isthmus.wado.pictures.rendering.voi import full_range, voi_of

_GRAYSCALE: Final = "1.2.840.10008.5.1.4.1.1.11.1"
_COLOR: Final = "1.2.840.10008.5.1.4.1.1.11.2"
_PSEUDO_COLOR: Final = "1.2.840.10008.5.1.4.1.1.11.3"

_NOT_DONE: Final = {
    "MaskSubtractionSequence": "a mask is subtracted",
    "BlendingSequence": "images are blended",
}
_OVERLAY_ROWS, _ACTIVATION_LAYER = 0x0010, 0x1001


def presented(
    presentation: bytes,
    header: FrameHeader,
    description: PixelDescription,
    frame: bytes,
    viewport: Viewport | None,
) -> Appearance:
    """Give how a frame looks by a presentation state, which overrides what the image says of itself.

    Args:
        presentation: A Part 10 file.
        header: Of the frame.
        description: Of the image's pixels.
        frame: As it is held.
        viewport: What the picture must fit in.

    Raises:
        UnusablePresentation: it is none for this frame, or needs what is not done here.
        NoPixels: its palette cannot be used.
    """
    state = _state_of(presentation)
    kind = text(state, "SOPClassUID")
    if kind not in (_GRAYSCALE, _COLOR, _PSEUDO_COLOR):
        raise UnusablePresentation("It is no grayscale, color or pseudo-color softcopy presentation state")
    if (kind != _COLOR) != _is_gray(description):
        raise UnusablePresentation("It is for grayscale images, and this one is not, or the other way round")
    for keyword, reason in _NOT_DONE.items():
        if items(state, keyword):
            raise UnusablePresentation(f"It is not applied, as {reason} in it")
    if not any(
        _refers(item, header)
        for series in items(state, "ReferencedSeriesSequence")
        for item in items(series, "ReferencedImageSequence")
    ):
        raise UnusablePresentation("It does not refer to the image")
    placement = _placement(state, header, description, viewport)
    return Appearance(
        _stages(state, header, description),
        Palette.of(state, signed=False) if kind == _PSEUDO_COLOR else None,
        tuple(_covers(state, header, description, frame)),
        placement,
        Graphics(state, tuple(_for_image(state, "GraphicAnnotationSequence", header)), placement).draw,
    )


def _state_of(presentation: bytes) -> Dataset:
    try:
        return header_of(presentation)
    except NoPixels as error:
        raise UnusablePresentation("It cannot be read") from error


def _is_gray(description: PixelDescription) -> bool:
    return description.photometric_interpretation.startswith("MONOCHROME")


def _refers(item: Dataset, header: FrameHeader) -> bool:
    frames = numbers(item, "ReferencedFrameNumber")
    return text(item, "ReferencedSOPInstanceUID") == text(header.ds, "SOPInstanceUID") and (
        not frames or header.number in frames
    )


def _for_image(state: Dataset, keyword: str, header: FrameHeader) -> Iterator[Dataset]:
    """Give the items that are for an image: those that name it, and those that name none."""
    for item in items(state, keyword):
        references = items(item, "ReferencedImageSequence")
        if not references or any(_refers(reference, header) for reference in references):
            yield item


def _stages(state: Dataset, header: FrameHeader, description: PixelDescription) -> GrayscaleStages:
    signed = bool(description.pixel_representation)
    modality = transform_of(state, signed=signed)
    vois = (
        voi_of(item, signed=signed or modality is not None)
        for item in _for_image(state, "SoftcopyVOILUTSequence", header)
    )
    return GrayscaleStages(
        modality,
        next((voi for voi in vois if voi is not None), None) or _identity(modality, description),
        # Photometric Interpretation is ignored and overridden (PS3.4 N.2.1.4).
        presentation_transform(state, "MONOCHROME2"),
        padding_range(header.ds, description),
    )


def _identity(modality: Transform | None, description: PixelDescription) -> Transform | None:
    """Give the VOI LUT where a state names none: all that can be stored is of interest."""
    if description.element is not PixelElement.INTEGER:
        return None
    most = 1 << description.bits_stored
    lowest = -most // 2 if description.pixel_representation else 0
    ends = np.array([lowest, lowest + most - 1], np.float64)
    ends = ends if modality is None else modality(ends)
    return full_range(float(ends.min()), float(ends.max()))


def _covers(
    state: Dataset, header: FrameHeader, description: PixelDescription, frame: bytes
) -> Iterator[tuple[Mask, int]]:
    """Give the activated overlays, of the state and of the image, and the shutters (PS3.3 C.11.7)."""
    active = [group for group in GROUPS if element_of(state, Tag(group, _ACTIVATION_LAYER)) is not None]
    as_bitmap = int(number(state, "ShutterOverlayGroup") or 0)
    for group in active:
        source = state if Tag(group, _OVERLAY_ROWS) in state else header.ds
        mask = drawn(source, description, frame, header.number, [group])
        if mask is not None and group != as_bitmap:
            yield mask, 255
    if text(state, "ShutterShape") == "BITMAP":
        hidden = drawn(state, description, frame, header.number, [as_bitmap])
    else:
        hidden = shuttered(state, description.rows, description.columns)
    if hidden is not None:
        yield hidden, level(state)


def _placement(
    state: Dataset, header: FrameHeader, description: PixelDescription, viewport: Viewport | None
) -> Placement:
    turns = round((number(state, "ImageRotation") or 0) / 90) % 4
    box = Box(0, 0, description.columns, description.rows)
    height = pixel_height(header)
    magnification = 1.0
    for area in _for_image(state, "DisplayedAreaSelectionSequence", header):
        box = _area(area, box)
        height = presented_pixel_height(area) or height
        if text(area, "PresentationSizeMode") == "MAGNIFY":
            magnification = min(max(number(area, "PresentationPixelMagnificationRatio") or 1.0, 0.01), 100.0)
        break
    if viewport is not None and turns % 2:
        viewport = Viewport(viewport.height, viewport.width)
    return Placement(
        box,
        size_of(box, height, viewport, description.rows * description.columns, magnification),
        quarter_turns=turns,
        flipped_horizontally=text(state, "ImageHorizontalFlip") == "Y",
    )


def _area(area: Dataset, whole: Box) -> Box:
    """Give the displayed area; its corners are pixels of the image, counted from 1 (PS3.3 C.10.4)."""
    corners = (
        *numbers(area, "DisplayedAreaTopLeftHandCorner"),
        *numbers(area, "DisplayedAreaBottomRightHandCorner"),
    )
    if len(corners) != 4:
        return whole
    (left, right), (upper, lower) = sorted(corners[::2]), sorted(corners[1::2])
    return Box(left - 1, upper - 1, right, lower)
