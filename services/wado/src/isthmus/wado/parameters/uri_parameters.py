"""The query parameters of WADO-URI (PS3.18 9.1.2, 9.4.1.2, 9.5.1.2), each of them checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.common.dicom.uids import check_uid
from isthmus.common.dicomweb.accept import MediaRange, parse_accept
from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.errors import InvalidParameter
from isthmus.wado.parameters.rendering_parameters import (
    LARGEST,
    RenderingParameters,
    annotations_in,
    check_charset,
    decimal_of,
    integer_of,
    quality_in,
    window_of,
)
from isthmus.wado.pictures.rendering import RenderRequest, Viewport, Window, WindowFunction

UIDS: Final[Mapping[str, str]] = {"study": "studyUID", "series": "seriesUID", "instance": "objectUID"}
"""The parameters of which the UIDs of a resource come."""
_WINDOW: Final = ("windowCenter", "windowWidth")
_PRESENTATION: Final = ("presentationSeriesUID", "presentationUID")
_NOT_WITH_PRESENTATION: Final = (*_WINDOW, "frameNumber", "region")
_ANNOTATION: Final = ("annotation", "imageAnnotation")
"""Table 9.5.1-1 has the second name, all else in PS3.18 9 the first."""


@dataclass(frozen=True, slots=True)
class UriRegion:
    """A part of an image, its sides from 0 to 1 (PS3.18 9.5.1.2.5)."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class UriParameters:
    """What is wanted of an instance."""

    rendering: RenderingParameters
    """How it shall look, its region and presentation state apart."""
    frame: int | None
    region: UriRegion | None
    presentation: tuple[str, str] | None
    """The series and SOP Instance UID of a presentation state."""
    transfer_syntax: str | None
    """Of an object in DICOM."""
    has_window: bool


def uids_in(query: Mapping[str, str]) -> dict[str, str]:
    """Read which instance is wanted; gives its UIDs by the path parameters of WADO-RS.

    Raises:
        InvalidParameter: a parameter that there must be is not there, or is wrong; names it.
    """
    if _required(query, "requestType") != "WADO":
        raise InvalidParameter("requestType", "is always WADO")
    return {level: check_uid(_required(query, name), name) for level, name in UIDS.items()}


def ranges_in(query: Mapping[str, str], accept: str | None) -> list[MediaRange]:
    """Read what the client takes: what `contentType` says, or else the Accept header (PS3.18 9.1.2.2.1).

    By PS3.18 8.7.8.1 the header would also count where nothing of `contentType` is to be had. But nearly all
    clients send `*/*` there, and who writes that it is to be a picture does not want something else.

    Raises:
        InvalidParameter: it cannot be read, or has parameters that are forbidden there.
    """
    content_type = query.get("contentType", "")
    for found in MediaType.parse_list(content_type, "contentType"):
        if found.parameter("transfer-syntax") is not None or found.parameter("charset") is not None:
            detail = "holds no transfer-syntax and no charset: they are parameters of the query"
            raise InvalidParameter("contentType", detail)
    return parse_accept(None, content_type) if content_type else parse_accept(accept)


def uri_parameters(query: Mapping[str, str]) -> UriParameters:
    """Read how the instance is wanted.

    Raises:
        InvalidParameter: a parameter is wrong, or is not allowed beside another; names it.
    """
    check_charset(query)
    _refuse_to_anonymize(query)
    has_window = _both_or_none(query, _WINDOW)
    has_presentation = _both_or_none(query, _PRESENTATION)
    if has_presentation:
        for name in _NOT_WITH_PRESENTATION:
            if name in query:
                raise InvalidParameter(name, "is not allowed beside a presentation state")
    annotations, warnings = annotations_in(query, next(filter(query.__contains__, _ANNOTATION), ""))
    look = RenderRequest(
        quality=quality_in(query, "imageQuality"),
        viewport=_viewport(query),
        window=_window(query) if has_window else None,
        annotations=annotations,
    )
    frame, syntax = query.get("frameNumber"), query.get("transferSyntax")
    return UriParameters(
        rendering=RenderingParameters(look, warnings),
        frame=None if frame is None else integer_of(frame, "frameNumber", 0x7FFFFFFF),
        region=_region(query["region"]) if "region" in query else None,
        presentation=_presentation(query) if has_presentation else None,
        transfer_syntax=None if syntax is None else check_uid(syntax, "transferSyntax"),
        has_window=has_window,
    )


def _required(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise InvalidParameter(name, "is needed")
    return query[name]


def _both_or_none(query: Mapping[str, str], names: tuple[str, str]) -> bool:
    given = [name for name in names if name in query]
    if len(given) == 1:
        missing = next(name for name in names if name not in query)
        raise InvalidParameter(missing, f"is needed where there is {given[0]}")
    return bool(given)


def _refuse_to_anonymize(query: Mapping[str, str]) -> None:
    """Give nothing rather than what may name a patient (PS3.18 9.4.2.3 leaves the refusal to us)."""
    if "anonymize" in query:
        detail = "objects are given as the origin holds them: none are de-identified here"
        raise InvalidParameter("anonymize", detail)


def _viewport(query: Mapping[str, str]) -> Viewport | None:
    """Read the size; where only one side is given, the other follows (PS3.18 9.5.2.5)."""
    sides = {name: integer_of(query[name], name, LARGEST) for name in ("columns", "rows") if name in query}
    return Viewport(sides.get("columns", LARGEST), sides.get("rows", LARGEST)) if sides else None


def _window(query: Mapping[str, str]) -> Window:
    center, width = (decimal_of(query[name], name) for name in _WINDOW)
    return window_of(center, width, WindowFunction.LINEAR, "windowWidth")


def _region(text: str) -> UriRegion:
    fields = text.split(",")
    if len(fields) != 4:
        raise InvalidParameter("region", "4 numbers are needed, with commas between")
    left, top, right, bottom = (decimal_of(field, "region") for field in fields)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        detail = "its sides are left, top, right and bottom, from 0 to 1, the first two less than the others"
        raise InvalidParameter("region", detail)
    return UriRegion(left, top, right, bottom)


def _presentation(query: Mapping[str, str]) -> tuple[str, str]:
    series, instance = (check_uid(_required(query, name), name) for name in _PRESENTATION)
    return series, instance
