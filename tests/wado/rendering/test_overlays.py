"""Overlay planes (PS3.3 C.9.2) and shutters (PS3.3 C.7.6.11)."""

import numpy as np
import pytest

from tests.wado.rendering.images import Pixels, item, made

GRAY = np.full((4, 5), 100, np.uint8)
CROSS = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], np.uint8)
Elements = list[tuple[int, str, object]]


def overlay(
    *planes: Pixels, origin: tuple[int, int] = (1, 1), group: int = 0x6000, **more: tuple[str, object]
) -> Elements:
    """Make the elements of an overlay."""
    tag = group << 16
    bits = np.packbits(np.concatenate([plane.reshape(-1) for plane in planes]), bitorder="little")
    data = bits.tobytes() + b"\0" * (len(bits) % 2)
    elements: Elements = [
        (tag + 0x10, "US", planes[0].shape[0]),
        (tag + 0x11, "US", planes[0].shape[1]),
        (tag + 0x40, "CS", "G"),
        (tag + 0x50, "SS", list(origin)),
        (tag + 0x100, "US", 1),
        (tag + 0x102, "US", 0),
        (tag + 0x3000, "OW", data),
    ]
    if len(planes) > 1:
        elements.append((tag + 0x15, "IS", str(len(planes))))
    return elements


def drawn_at(row: int, column: int) -> Pixels:
    """Give the gray image with the cross on it, whole or in part."""
    wide = np.full((14, 15), 100, np.uint8)
    wide[5 + row : 8 + row, 5 + column : 8 + column][CROSS == 1] = 255
    return wide[5:9, 5:10]


@pytest.mark.parametrize("origin", [(1, 1), (2, 3), (0, 0), (-1, -1), (4, 5), (3, 4)])
def test_an_overlay_is_white_where_its_origin_says(origin: tuple[int, int]) -> None:
    image = made(GRAY, elements=overlay(CROSS, origin=origin))
    assert np.array_equal(image.picture(), drawn_at(origin[0] - 1, origin[1] - 1))


def test_an_overlay_outside_of_the_image_is_not_seen() -> None:
    assert np.array_equal(made(GRAY, elements=overlay(CROSS, origin=(50, -50))).picture(), GRAY)


def test_all_overlays_are_drawn() -> None:
    image = made(GRAY, elements=overlay(CROSS) + overlay(CROSS, origin=(2, 3), group=0x601E))
    assert np.array_equal(image.picture(), np.maximum(drawn_at(0, 0), drawn_at(1, 2)))


def test_an_overlay_on_colours_is_white() -> None:
    image = made(np.full((4, 5, 3), 100, np.uint8), elements=overlay(CROSS))
    assert np.array_equal(image.picture(), np.repeat(drawn_at(0, 0)[:, :, None], 3, axis=2))


def test_each_frame_has_its_own_plane() -> None:
    image = made([GRAY, GRAY, GRAY], elements=[*overlay(CROSS, 1 - CROSS), (0x60000051, "US", 2)])
    first, second, third = (image.frame(number)[:3, :3] == 255 for number in (1, 2, 3))
    assert not first.any()
    assert np.array_equal(second, CROSS == 1)
    assert np.array_equal(third, CROSS == 0)


def test_a_single_plane_lies_over_all_frames() -> None:
    image = made([GRAY, GRAY], elements=overlay(CROSS))
    assert np.array_equal(image.frame(2), drawn_at(0, 0))


def test_an_overlay_in_bits_that_pixels_leave_unused_is_drawn() -> None:
    pixels = np.full((3, 3), 100, np.uint16)
    elements = [
        (tag, vr, value) for tag, vr, value in overlay(CROSS) if tag & 0xFFFF not in (0x3000, 0x100, 0x102)
    ]
    elements += [(0x60000100, "US", 16), (0x60000102, "US", 13)]
    image = made(
        pixels | CROSS.astype(np.uint16) << 13,
        bits_stored=12,
        elements=elements,
        WindowCenter="100.5",
        WindowWidth="201",
    )
    assert np.array_equal(image.picture() == 255, CROSS == 1)
    assert set(image.picture()[CROSS == 0]) <= {127, 128}


def test_an_overlay_whose_data_are_cut_short_is_left_out() -> None:
    elements = [
        (tag, vr, b"\xff\xff" if vr == "OW" else value)
        for tag, vr, value in overlay(np.ones((5, 5), np.uint8))
    ]
    assert np.array_equal(made(GRAY, elements=elements).picture(), GRAY)


def test_what_lies_outside_of_a_rectangle_is_black() -> None:
    image = made(
        GRAY,
        ShutterShape="RECTANGULAR",
        ShutterLeftVerticalEdge="2",
        ShutterRightVerticalEdge="4",
        ShutterUpperHorizontalEdge="2",
        ShutterLowerHorizontalEdge="3",
    )
    reference = np.zeros_like(GRAY)
    reference[1:3, 1:4] = 100
    assert np.array_equal(image.picture(), reference)


def test_what_lies_outside_of_a_circle_gets_the_level_of_the_shutter() -> None:
    image = made(
        np.full((21, 21), 100, np.uint8),
        ShutterShape="CIRCULAR",
        CenterOfCircularShutter=["11", "11"],
        RadiusOfCircularShutter="5",
        ShutterPresentationValue=0x8080,
    )
    row, column = np.mgrid[-10:11, -10:11]
    assert np.array_equal(image.picture(), np.where(row**2 + column**2 <= 25, 100, 128))


def test_what_lies_outside_of_a_polygon_is_black() -> None:
    image = made(
        np.full((8, 8), 100, np.uint8),
        ShutterShape="POLYGONAL",
        VerticesOfThePolygonalShutter=["2", "3", "2", "6", "7", "6", "7", "3"],
    )
    reference = np.zeros((8, 8))
    reference[1:7, 2:6] = 100
    assert np.array_equal(image.picture(), reference)


def test_a_frame_has_its_own_shutter() -> None:
    def frame(right: int) -> object:
        shutter = item(
            ShutterShape="RECTANGULAR",
            ShutterLeftVerticalEdge="1",
            ShutterRightVerticalEdge=str(right),
            ShutterUpperHorizontalEdge="1",
            ShutterLowerHorizontalEdge="4",
        )
        return item(FrameDisplayShutterSequence=[shutter])

    image = made([GRAY, GRAY], PerFrameFunctionalGroupsSequence=[frame(1), frame(4)])
    assert (image.frame(2)[0] == 0).tolist() == [False] * 4 + [True]
