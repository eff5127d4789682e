"""What an instance can be rendered as (PS3.18 8.7.2, 8.7.4), told by its SOP class and transfer syntax."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from isthmus.common.dicom.encapsulated import is_video, media_type_of
from isthmus.common.dicomweb.accept import Offer
from isthmus.common.dicomweb.offers import GIF, HTML, JPEG, MTL, OBJ, PDF, PNG, STL, TEXT, XML
from isthmus.common.messages import BlobRef
from isthmus.common.pixels.syntaxes import DECODABLE

_ROOT: Final = "1.2.840.10008.5.1.4."
_REPORT: Final = "1.1.88."
_DOCUMENT: Final = "1.1.104."
_WITHOUT_PICTURE: Final = re.compile(
    r"1\.1\.(?:"
    r"4\.2|9\.[0-9.]+|11\.[0-9]+|66(?:\.[12356])?|67|68\.[12]|77\.1\.5\.3|78\.[0-9]|79\.1|80\.1|9[01]\.1|131"
    r"|200\.[0-9]+|201\.1|481\.(?:[3-9]|1[0-9]|2[0-25])"
    r")|34\.[0-9.]+|38\.1|39\.1|4[345]\.1"
)
"""Spectroscopy, waveforms, presentation states, registrations, surfaces, plans, records, templates..."""
_DOCUMENTS: Final[Mapping[str, Offer]] = {
    "1": PDF,
    "2": XML,
    "3": STL,
    "4": OBJ,
    "5": MTL,
}
"""By the last component of the SOP class (PS3.3 A.45, A.85, A.104): the MIME type that it must have."""
_OTHER_DOCUMENT: Final = Offer("application/octet-stream")


class Category(Enum):
    """What a resource is (PS3.18 Table 8.7.2-1); text is either of two."""

    IMAGE = "image"
    VIDEO = "video"
    REPORT = "report"
    """A structured report."""
    DOCUMENT = "document"
    """An encapsulated document."""
    OTHER = "other"
    """Nothing that can be shown."""


def category_of(blob: BlobRef) -> Category:
    """Tell the category of an instance; whatever nobody knows is taken for an image."""
    category = category_of_class(blob.sop_class_uid)
    if category is Category.IMAGE and is_video(blob.transfer_syntax_uid):
        return Category.VIDEO
    return category


def category_of_class(sop_class_uid: str) -> Category:
    """Tell the category of the instances of a SOP class, as far as it says."""
    sop_class = sop_class_uid.removeprefix(_ROOT)
    if sop_class.startswith(_REPORT):
        return Category.REPORT
    if sop_class.startswith(_DOCUMENT):
        return Category.DOCUMENT
    return Category.OTHER if _WITHOUT_PICTURE.fullmatch(sop_class) else Category.IMAGE


def offers_of(blob: BlobRef) -> tuple[Offer, ...]:
    """List the rendered media types of an instance, the default first; none if it cannot be rendered."""
    match category_of(blob):
        case Category.REPORT:
            return (HTML, TEXT, XML)
        case Category.DOCUMENT:
            return (_DOCUMENTS.get(blob.sop_class_uid.rpartition(".")[2], _OTHER_DOCUMENT),)
        case Category.VIDEO:
            # As Tables 8.7.4-1 and 8.7.3-5 name it.
            name = media_type_of(blob.transfer_syntax_uid)
            return (Offer("video/mpeg"), Offer(name)) if name == "video/mpeg2" else (Offer(name),)
        case Category.IMAGE if blob.transfer_syntax_uid in DECODABLE:
            return (JPEG, PNG, GIF)
        case _:
            return ()
