"""From pixels to picture: pure functions that run in worker processes (PS3.18 8.3.5, PS3.4 N.2)."""

from isthmus.wado.pictures.rendering.errors import OutsideImage, RenderingError, UnusablePresentation
from isthmus.wado.pictures.rendering.render import render
from isthmus.wado.pictures.rendering.request import (
    Annotation,
    IccProfile,
    MediaType,
    Region,
    RenderRequest,
    Viewport,
    Window,
    WindowFunction,
)

__all__ = [
    "Annotation",
    "IccProfile",
    "MediaType",
    "OutsideImage",
    "Region",
    "RenderRequest",
    "RenderingError",
    "UnusablePresentation",
    "Viewport",
    "Window",
    "WindowFunction",
    "render",
]
