"""The parts of a payload, and what is known of those that were taken."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import urljoin

from isthmus.common.dicom.from_json import Stretch
from isthmus.common.dicomweb.media_type import MediaType
from isthmus.stow.pictures.compressed import Compressed, Pixels
from isthmus.stow.reasons import Refusal


class Kind(Enum):
    """What a part is."""

    OBJECT = "application/dicom"
    JSON = "application/dicom+json"
    XML = "application/dicom+xml"
    BULKDATA = "bulkdata"


@dataclass(frozen=True, slots=True)
class PayloadPart:
    """A part of a payload, or a whole one that is not multipart."""

    kind: Kind
    media_type: MediaType
    location: str | None
    """Its Content-Location."""
    content: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Native:
    """A picture whose pixels were decoded, since no transfer syntax holds it."""

    stretch: Stretch
    pixels: Pixels
    number_of_frames: int


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One part of bulkdata, spooled."""

    stretch: Stretch
    """Its content."""
    found: Compressed | Native | Refusal | None = None
    """What it is as pixel data, or why it can be none; None where it is bytes and no more."""
    may_go_on: bool = False
    """Whether the body broke off behind it: others of its location may have been to come."""


Located = dict[str, list[BulkPart]]
"""Parts by their absolute locations, those of one location in their order."""


def break_off(located: Located) -> None:
    """Take note that the body broke off: nobody knows whether all parts of a location came."""
    for parts in located.values():
        parts[-1] = replace(parts[-1], may_go_on=True)


def absolute(base: str, uri: str) -> str:
    """Make a BulkDataURI or a Content-Location absolute; what is no URI stays as it is."""
    try:
        return urljoin(base, uri.strip())
    except ValueError:
        return uri
