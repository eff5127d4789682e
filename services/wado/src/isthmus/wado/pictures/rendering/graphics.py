"""Graphics and text of presentation states, drawn over the picture (PS3.3 C.10.5, C.10.7)."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering.fonts import drawable, font_of
from isthmus.wado.pictures.rendering.geometry import Placement
from isthmus.wado.pictures.rendering.values import character_set_of, free_text, items, number, numbers, text

Point = tuple[float, float]

_STEPS: Final = 64
"""Of which a circle or an ellipse is made."""
_CURVE_STEPS: Final = 8
"""Between two points of a curve."""
_FAR: Final = 1e5
"""Whatever lies further away is not to be seen, and is brought this near."""


class Graphics:
    """What a presentation state draws over one frame."""

    def __init__(self, state: Dataset, annotations: Sequence[Dataset], placement: Placement) -> None:
        """Take what is to be drawn.

        Args:
            state: The presentation state.
            annotations: Those items of its Graphic Annotation Sequence that are for the frame.
            placement: Of the frame in the picture.
        """
        self._placement = placement
        self._characters = character_set_of(state)
        layers = {text(layer, "GraphicLayer"): layer for layer in items(state, "GraphicLayerSequence")}
        self._levels = {name: _level(layer) for name, layer in layers.items()}
        orders = {name: number(layer, "GraphicLayerOrder") or 0.0 for name, layer in layers.items()}
        self._annotations = sorted(annotations, key=lambda item: orders.get(text(item, "GraphicLayer"), 0.0))

    def draw(self, picture: Image.Image) -> None:
        """Draw over the picture, layer by layer."""
        canvas = ImageDraw.Draw(picture)
        width = max(round(min(picture.size) / 512), 1)
        for annotation in self._annotations:
            gray = self._levels.get(text(annotation, "GraphicLayer"), 255)
            ink = gray if picture.mode == "L" else (gray, gray, gray)
            for graphic in items(annotation, "GraphicObjectSequence"):
                self._draw_graphic(canvas, graphic, ink, width)
            for words in items(annotation, "TextObjectSequence"):
                self._draw_text(canvas, words, ink, width)

    def _draw_graphic(
        self, canvas: ImageDraw.ImageDraw, graphic: Dataset, ink: int | tuple[int, int, int], width: int
    ) -> None:
        data = numbers(graphic, "GraphicData")
        points = list(zip(data[::2], data[1::2], strict=False))
        in_image = text(graphic, "GraphicAnnotationUnits") != "DISPLAY"
        outline = [
            self._place(point, in_image=in_image) for point in _outline(text(graphic, "GraphicType"), points)
        ]
        if text(graphic, "GraphicType") == "POINT" or len(outline) == 1:
            for x, y in outline:
                canvas.ellipse((x - width, y - width, x + width, y + width), fill=ink)
        elif outline:
            if text(graphic, "GraphicFilled") == "Y" and len(outline) > 2:
                canvas.polygon(outline, fill=ink)
            canvas.line(outline, fill=ink, width=width)

    def _draw_text(
        self, canvas: ImageDraw.ImageDraw, words: Dataset, ink: int | tuple[int, int, int], width: int
    ) -> None:
        font = font_of(max(min(self._placement.turned_size) // 32, 10))
        lines = "\n".join(
            drawable(line, font)
            for line in free_text(words, "UnformattedTextValue", self._characters).splitlines()
        )
        corner, anchor = numbers(words, "BoundingBoxTopLeftHandCorner"), numbers(words, "AnchorPoint")
        in_image = text(words, "BoundingBoxAnnotationUnits") != "DISPLAY"
        place = self._place((corner[0], corner[1]), in_image=in_image) if len(corner) == 2 else None
        if len(anchor) == 2:
            in_image = text(words, "AnchorPointAnnotationUnits") != "DISPLAY"
            at = self._place((anchor[0], anchor[1]), in_image=in_image)
            if place is not None and text(words, "AnchorPointVisibility") == "Y":
                canvas.line((place, at), fill=ink, width=width)
            place = place or at
        if place is not None:
            canvas.multiline_text(place, lines, font=font, fill=ink)

    def _place(self, point: Point, *, in_image: bool) -> Point:
        columns, rows = self._placement.turned_size
        x, y = self._placement.point(*point) if in_image else (point[0] * columns, point[1] * rows)
        return min(max(x, -_FAR), _FAR), min(max(y, -_FAR), _FAR)


def _level(layer: Dataset) -> int:
    """Give the gray of a layer, of 8 bits; it is recommended as a P-Value of 16."""
    value = number(layer, "GraphicLayerRecommendedDisplayGrayscaleValue")
    return 255 if value is None else min(max(round(value * 255 / 0xFFFF), 0), 255)


def _outline(kind: str, points: list[Point]) -> list[Point]:
    """Give the points of a line that looks like the graphic."""
    if kind == "CIRCLE" and len(points) == 2:
        (x, y), rim = points[0], points[1]
        radius = math.dist((x, y), rim)
        return _ellipse((x, y), (radius, 0.0), (0.0, radius))
    if kind == "ELLIPSE" and len(points) == 4:
        # The ends of the major axis, then those of the minor one (PS3.3 C.10.5.1.2).
        (x, y), (other_x, other_y), minor, other_minor = points
        first = ((other_x - x) / 2, (other_y - y) / 2)
        second = ((other_minor[0] - minor[0]) / 2, (other_minor[1] - minor[1]) / 2)
        return _ellipse(((x + other_x) / 2, (y + other_y) / 2), first, second)
    if kind == "INTERPOLATED" and len(points) > 2:
        return list(_curve(points))
    return points


def _ellipse(center: Point, first: Point, second: Point) -> list[Point]:
    turns = (2 * math.pi * step / _STEPS for step in range(_STEPS + 1))
    return [
        (
            center[0] + math.cos(turn) * first[0] + math.sin(turn) * second[0],
            center[1] + math.cos(turn) * first[1] + math.sin(turn) * second[1],
        )
        for turn in turns
    ]


def _curve(points: list[Point]) -> Iterator[Point]:
    """Give a Catmull-Rom curve through all points; which one it is, is left to us (PS3.3 C.10.5.1.2)."""
    closed = points[0] == points[-1]
    before, behind = (points[-2], points[1]) if closed else (points[0], points[-1])
    path = [before, *points, behind]
    for place in range(1, len(path) - 2):
        yield from (
            (
                _between([point[0] for point in path[place - 1 : place + 3]], step / _CURVE_STEPS),
                _between([point[1] for point in path[place - 1 : place + 3]], step / _CURVE_STEPS),
            )
            for step in range(_CURVE_STEPS)
        )
    yield points[-1]


def _between(values: list[float], portion: float) -> float:
    a, b, c, d = values
    linear = c - a
    square = 2 * a - 5 * b + 4 * c - d
    cube = 3 * (b - c) + d - a
    return b + portion * (linear + portion * (square + portion * cube)) / 2
