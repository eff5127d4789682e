"""The query parameters of rendered resources (PS3.18 8.3.5), each of them checked before anything is fetched.

Parameters that nobody knows are ignored; one that is known and wrong is a 400 that names it.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from starlette.requests import Request

from isthmus.common.errors import InvalidParameter
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

LARGEST: Final = 16_384
"""Pixels of a picture in a direction."""
THUMBNAIL: Final = Viewport(128, 128)
"""What a thumbnail fits in where nothing else is asked for."""

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,3})?")
_INTEGER: Final = re.compile(r"[0-9]{1,10}")
_KEYWORD: Final = re.compile(r"[A-Za-z][0-9A-Za-z_-]{0,63}")
_UTF_8: Final = frozenset({"utf-8", "utf8", "iso_ir 192"})
_NOT_AT_ALL: Final = re.compile(r"[ \t]*q=0(?:\.0*)?[ \t]*")
_LONGEST: Final = 64
"""Characters of a number."""
_MANY: Final = 16
"""Keywords at most."""
_FUNCTIONS: Final[Mapping[str, WindowFunction]] = {
    "linear": WindowFunction.LINEAR,
    "linear-exact": WindowFunction.LINEAR_EXACT,
    "sigmoid": WindowFunction.SIGMOID,
}

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class RenderingParameters:
    """How pictures shall look, whichever is chosen of the media types."""

    look: RenderRequest
    """With a media type and frame numbers that mean nothing yet."""
    warnings: tuple[str, ...] = ()
    """What was asked for and is not done."""

    @property
    def keep(self) -> bool:
        """Whether others will want the same: it is how pictures look that nobody says anything about."""
        return self.look in {RenderRequest(), RenderRequest(viewport=THUMBNAIL)}

    def check(self, media_type: MediaType) -> None:
        """Make sure that a picture can be of this media type (PS3.18 8.3.5.1.5).

        Raises:
            InvalidParameter: it cannot hold the ICC profile that was asked for.
        """
        if not media_type.takes_icc_profile and self.look.icc_profile not in {None, IccProfile.NO}:
            raise InvalidParameter("iccprofile", f"{media_type.value} holds no ICC profile")


def query_of(request: Request) -> dict[str, str]:
    """Read the query of a request.

    Raises:
        InvalidParameter: a parameter is there twice; names it. `accept` may be.
    """
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found and name != "accept":
            raise InvalidParameter(name[:_LONGEST], "is there more than once")
        found[name] = value
    return found


def rendering_parameters(query: Mapping[str, str]) -> RenderingParameters:
    """Read the parameters of a rendered resource (PS3.18 8.3.5.1).

    Raises:
        InvalidParameter: one is wrong; names it.
    """
    check_charset(query)
    annotations, unknown = annotations_in(query, "annotation")
    viewport, region = _given(query, "viewport", _viewport_and_region) or (None, None)
    look = RenderRequest(
        quality=quality_in(query, "quality"),
        viewport=viewport,
        region=region,
        window=_given(query, "window", _window),
        annotations=annotations,
        icc_profile=_given(query, "iccprofile", _icc_profile),
    )
    return RenderingParameters(look, unknown)


def thumbnail_parameters(query: Mapping[str, str]) -> RenderingParameters:
    """Read the parameters of a thumbnail (PS3.18 8.3.5.2): the size of its viewport, and nothing else.

    Raises:
        InvalidParameter: it is wrong; names it.
    """
    check_charset(query)
    viewport = _given(query, "viewport", _viewport) or THUMBNAIL
    return RenderingParameters(RenderRequest(viewport=viewport))


def check_charset(query: Mapping[str, str]) -> None:
    """Make sure that the client takes texts in UTF-8, as all are (PS3.18 8.3.3.2, 9.1.2.2.2).

    Raises:
        InvalidParameter: it names character sets, and not this one.
    """
    if "charset" in query and not any(map(_is_utf_8, query["charset"].split(","))):
        raise InvalidParameter("charset", "texts are to be had in UTF-8 only")


def quality_in(query: Mapping[str, str], name: str) -> int | None:
    """Read the quality of a picture (PS3.18 8.3.5.1.2).

    Raises:
        InvalidParameter: it is none.
    """
    return _given(query, name, lambda text: integer_of(text, name, 100))


def annotations_in(query: Mapping[str, str], name: str) -> tuple[frozenset[Annotation], tuple[str, ...]]:
    """Read what is to be written into a picture, and say what cannot be (PS3.18 8.3.5.1.1).

    Raises:
        InvalidParameter: it is no list of keywords.
    """
    text = query.get(name)
    if text is None:
        return frozenset(), ()
    keywords = dict.fromkeys(keyword.strip() for keyword in text.split(","))
    if len(keywords) > _MANY or not all(map(_KEYWORD.fullmatch, keywords)):
        raise InvalidParameter(name, f"is a list of keywords: {', '.join(one.value for one in Annotation)}")
    known = {one.value: one for one in Annotation}
    unknown = [keyword for keyword in keywords if keyword not in known]
    warnings = [f"The following annotation values are not supported: {', '.join(unknown)}"] if unknown else []
    return frozenset(known[keyword] for keyword in keywords if keyword in known), tuple(warnings)


def integer_of(text: str, name: str, most: int) -> int:
    """Read an integer from 1 to some number.

    Raises:
        InvalidParameter: it is none.
    """
    number = int(text) if _INTEGER.fullmatch(text) else 0
    if not 1 <= number <= most:
        raise InvalidParameter(name, f"an integer from 1 to {most} is needed")
    return number


def decimal_of(text: str, name: str) -> float:
    """Read a decimal number.

    Raises:
        InvalidParameter: it is none, or too large for one.
    """
    text = text.strip(" ")
    number = float(text) if len(text) <= _LONGEST and _DECIMAL.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise InvalidParameter(name, "a decimal number is needed")
    return number


def window_of(center: float, width: float, function: WindowFunction, name: str) -> Window:
    """Make a window of numbers.

    Raises:
        InvalidParameter: the function is not defined for so small a width (PS3.3 C.11.2.1.2, C.11.2.1.3).
    """
    least = function.least_width
    if width < least or width <= 0:
        raise InvalidParameter(name, f"the width must be {f'{least:g} or more' if least else 'more than 0'}")
    return Window(center, width, function)


def _is_utf_8(charset: str) -> bool:
    name, _, weight = charset.partition(";")
    return name.strip(' "').lower() in _UTF_8 and not _NOT_AT_ALL.fullmatch(weight)


def _given(query: Mapping[str, str], name: str, read: Callable[[str], V]) -> V | None:
    return read(query[name]) if name in query else None


def _window(text: str) -> Window:
    fields = text.split(",")
    if len(fields) != 3:
        raise InvalidParameter("window", "a center, a width and a function are needed, with commas between")
    function = _FUNCTIONS.get(fields[2].strip())
    if function is None:
        raise InvalidParameter("window", f"the function is one of {', '.join(_FUNCTIONS)}")
    center, width = (decimal_of(field, "window") for field in fields[:2])
    return window_of(center, width, function, "window")


def _viewport(text: str) -> Viewport:
    fields = text.split(",")
    if len(fields) != 2:
        raise InvalidParameter("viewport", "a width and a height are needed, with a comma between")
    width, height = (integer_of(field.strip(), "viewport", LARGEST) for field in fields)
    return Viewport(width, height)


def _viewport_and_region(text: str) -> tuple[Viewport, Region | None]:
    fields = text.split(",")
    if not 2 <= len(fields) <= 6:
        raise InvalidParameter("viewport", "2 to 6 numbers are needed, of which the last 4 may be empty")
    # Trailing values are left out with their commas.
    fields += [""] * (6 - len(fields))
    viewport = _viewport(",".join(fields[:2]))
    sides = [_side(field.strip()) for field in fields[2:]]
    if not any(side is not None for side in sides):
        return viewport, None
    x, y, width, height = sides
    if width == 0 or height == 0:
        raise InvalidParameter("viewport", "the region has no pixel")
    # PS3.18 8.3.5.1.3: of its corner the absolute values count; a side that is negative flips.
    return viewport, Region(abs(x or 0.0), abs(y or 0.0), width, height)


def _side(text: str) -> float | None:
    return decimal_of(text, "viewport") if text else None


def _icc_profile(text: str) -> IccProfile:
    try:
        return IccProfile(text)
    except ValueError:
        known = ", ".join(one.value for one in IccProfile)
        raise InvalidParameter("iccprofile", f"is one of {known}") from None
