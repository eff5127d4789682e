"""What there is below each origin and below all of them: each transaction with its resource (PS3.18 10, 9).

The one table: routes, capabilities and the conformance statement are made of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from isthmus.common.dicomweb import offers
from isthmus.common.dicomweb.accept import Offer


class Service(StrEnum):
    """The services of PS3.18 that there are."""

    SEARCH = "Search (QIDO-RS)"
    RETRIEVE = "Retrieve (WADO-RS)"
    STORE = "Store (STOW-RS)"
    URI = "Retrieve by URI (WADO-URI)"
    DELETE = "Delete, of inboxes alone"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter."""

    name: str
    section: str
    """Of PS3.18."""
    values: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """A method of a resource."""

    name: str
    service: Service
    section: str
    """Of PS3.18; empty where the standard has none."""
    path: str
    """Below the root of the service, as routes write it."""
    offers: tuple[Offer, ...]
    """What its answers are in, the default first; none where they have no content."""
    parameters: tuple[Parameter, ...] = ()
    statuses: tuple[int, ...] = ()
    method: str = "GET"
    takes: tuple[str, ...] = ()
    """The media types of its payload."""


STUDY: Final = "/studies/{study}"
SERIES: Final = STUDY + "/series/{series}"
INSTANCE: Final = SERIES + "/instances/{instance}"
FRAMES: Final = INSTANCE + "/frames/{frames}"
_LEVELS: Final = {"Study": STUDY, "Series": SERIES, "Instance": INSTANCE}

ACCEPT: Final = Parameter("accept", "8.3.3.1", "media types, before those of the Accept header")
_CHARSET: Final = "`UTF-8`, also among others"
CHARSET: Final = Parameter("charset", "8.3.3.2", _CHARSET)
_SEARCHED: Final = (
    ACCEPT,
    Parameter("{attribute}", "8.3.4.1", "keyword, tag, or dotted path of them = value"),
    Parameter("includefield", "8.3.4.3", "attributes, or `all`; a list, or repeated"),
    Parameter("fuzzymatching", "8.3.4.2", "`true`, `false`"),
    Parameter("emptyvaluematching", "8.3.4.5", "`true`, `false`"),
    Parameter("multiplevaluematching", "8.3.4.6", "`true`, `false`"),
    Parameter("limit", "8.3.4.4", "unsigned integer"),
    Parameter("offset", "8.3.4.4", "unsigned integer"),
)
THUMBNAIL_PARAMETERS: Final = (
    ACCEPT,
    CHARSET,
    Parameter("viewport", "8.3.5.1.3", "`vw,vh`: pixels"),
)
RENDERED_PARAMETERS: Final = (
    ACCEPT,
    CHARSET,
    Parameter("annotation", "8.3.5.1.1", "`patient`, `technique`, or both"),
    Parameter("quality", "8.3.5.1.2", "1 to 100"),
    Parameter("viewport", "8.3.5.1.3", "`vw,vh` or `vw,vh,sx,sy,sw,sh`: pixels"),
    Parameter("window", "8.3.5.1.4", "`center,width,shape`; `linear`, `linear-exact`, `sigmoid`"),
    Parameter("iccprofile", "8.3.5.1.5", "`no`, `yes`, `srgb`, `adobergb`, `rommrgb`"),
)
_URI_PARAMETERS: Final = (
    Parameter("requestType", "9.1.2.1.1", "`WADO`", is_required=True),
    Parameter("studyUID", "9.1.2.1.2", "UID", is_required=True),
    Parameter("seriesUID", "9.1.2.1.3", "UID", is_required=True),
    Parameter("objectUID", "9.1.2.1.4", "UID", is_required=True),
    Parameter("contentType", "9.1.2.2.1", "media types, with weights"),
    Parameter("charset", "9.1.2.2.2", _CHARSET),
    Parameter("transferSyntax", "9.4.1.2.3", "UID"),
    Parameter("frameNumber", "9.5.1.2.1", "from 1"),
    Parameter("imageAnnotation", "9.5.1.2.2", "`patient`, `technique`, or both; also called `annotation`"),
    Parameter("imageQuality", "9.5.1.2.3", "1 to 100"),
    Parameter("rows", "9.5.1.2.4.1", "pixels"),
    Parameter("columns", "9.5.1.2.4.2", "pixels"),
    Parameter("region", "9.5.1.2.5", "`xmin,ymin,xmax,ymax` from 0 to 1"),
    Parameter("windowCenter", "9.5.1.2.6.1", "number, with `windowWidth`"),
    Parameter("windowWidth", "9.5.1.2.6.2", "number, with `windowCenter`"),
    Parameter("presentationSeriesUID", "9.5.1.2.7.1", "UID, with `presentationUID`"),
    Parameter("presentationUID", "9.5.1.2.7.2", "UID, with `presentationSeriesUID`"),
)
_FAILURES: Final = (400, 404, 406, 502, 503, 504)
_SEARCHES: Final = {
    "Search for Studies": "/studies",
    "Search for Series": "/series",
    "Search for Instances": "/instances",
    "Search for Series of a Study": STUDY + "/series",
    "Search for Instances of a Study": STUDY + "/instances",
    "Search for Instances of a Series": SERIES + "/instances",
}

SEARCHES: Final[Sequence[Transaction]] = tuple(
    Transaction(
        name,
        Service.SEARCH,
        "10.6",
        path,
        (offers.DICOM_JSON, offers.JSON, offers.DICOM_XML_PARTS),
        _SEARCHED,
        (200, 204, *_FAILURES, 413),
    )
    for name, path in _SEARCHES.items()
)


def _retrieval(
    name: str, section: str, path: str, offered: tuple[Offer, ...], *parameters: Parameter
) -> Transaction:
    statuses = (200, 206, 304, *_FAILURES, 413, 416)
    return Transaction(name, Service.RETRIEVE, section, path, offered, parameters or (ACCEPT,), statuses)


def _instances(level: str, path: str) -> Transaction:
    single = (offers.DICOM_FILE,) if level == "Instance" else ()
    return _retrieval(
        f"Retrieve {level}",
        "10.4.1.1.1",
        path,
        (offers.DICOM_PARTS, *single, offers.ZIP, offers.BULKDATA_PARTS),
    )


def _metadata(level: str, path: str) -> Transaction:
    offered = (offers.DICOM_JSON, offers.DICOM_XML_PARTS, offers.JSON)
    return _retrieval(f"Retrieve {level} Metadata", "10.4.1.1.2", path + "/metadata", offered)


_PARTS: Final = (offers.BULKDATA_PARTS, *offers.COMPRESSED_PARTS)
"""Compressed pixels are to be had as they are held, and some as what they can be compressed to."""


def _bulkdata(level: str, path: str) -> Transaction:
    return _retrieval(f"Retrieve {level} Bulkdata", "10.4.1.1.5", path + "/bulkdata", _PARTS)


def _pixeldata(level: str, path: str) -> Transaction:
    return _retrieval(f"Retrieve {level} Pixel Data", "10.4.1.1.6", path + "/pixeldata", _PARTS)


_VALUES: Final = (*_PARTS, offers.BULKDATA, *offers.COMPRESSED)
_PICTURES: Final = (offers.JPEG, offers.GIF, offers.PNG)
_DOCUMENTS: Final = (offers.HTML, offers.TEXT, offers.XML, offers.PDF, *offers.MODELS)
_RENDERINGS: Final = (*_PICTURES, *_DOCUMENTS, *offers.VIDEOS)


def _rendered(level: str, path: str) -> Transaction:
    """One rendering is there by itself, or as a part of what may hold several."""
    kinds = _PICTURES if level == "Frames" else _RENDERINGS
    in_parts = tuple(Offer(each.name, multipart=True) for each in kinds)
    offered = in_parts if level in {"Study", "Series"} else (*kinds, *in_parts)
    return _retrieval(
        f"Retrieve Rendered {level}", "10.4.1.1.3", path + "/rendered", offered, *RENDERED_PARAMETERS
    )


def _thumbnail(level: str, path: str) -> Transaction:
    return _retrieval(
        f"Retrieve {level} Thumbnail", "10.4.1.1.4", path + "/thumbnail", _PICTURES, *THUMBNAIL_PARAMETERS
    )


RETRIEVALS: Final[Sequence[Transaction]] = (
    *(
        kind(level, path)
        for kind in (_instances, _metadata, _rendered, _thumbnail, _bulkdata, _pixeldata)
        for level, path in _LEVELS.items()
    ),
    _retrieval("Retrieve Frames", "10.4.1.1.6", FRAMES, _VALUES),
    _rendered("Frames", FRAMES),
    _thumbnail("Frames", FRAMES),
    _retrieval(
        "Retrieve Bulkdata by its URI",
        "10.4.1.1.5",
        INSTANCE + "/bulkdata/{path:path}",
        _VALUES,
    ),
)

STORES: Final[Sequence[Transaction]] = tuple(
    Transaction(
        name,
        Service.STORE,
        "10.5",
        path,
        (offers.DICOM_JSON, offers.JSON, offers.DICOM_XML),
        (ACCEPT,),
        (200, 202, 400, 404, 406, 409, 413, 415, 502, 503, 504),
        method="POST",
        takes=(
            'multipart/related; type="application/dicom"',
            'multipart/related; type="application/dicom+json"',
            'multipart/related; type="application/dicom+xml"',
            "application/dicom",
            "application/dicom+json",
            "application/dicom+xml",
        ),
    )
    for name, path in {"Store Instances": "/studies", "Store Instances of a Study": STUDY}.items()
)

RETRIEVE_BY_URI: Final = Transaction(
    "Retrieve by URI",
    Service.URI,
    "9",
    "/wado",
    (*_RENDERINGS, offers.DICOM_FILE),
    _URI_PARAMETERS,
    (200, 304, *_FAILURES, 413),
)

DELETIONS: Final[Sequence[Transaction]] = tuple(
    Transaction(
        f"Delete {level}", Service.DELETE, "", path, (), (), (204, 400, 404, 405, 503), method="DELETE"
    )
    for level, path in _LEVELS.items()
)

TRANSACTIONS: Final[Sequence[Transaction]] = (
    *SEARCHES,
    *RETRIEVALS,
    *STORES,
    RETRIEVE_BY_URI,
    *DELETIONS,
)
