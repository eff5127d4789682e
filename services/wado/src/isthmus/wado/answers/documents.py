"""Structured reports, encapsulated documents and videos, as people read and see them (PS3.18 8.7.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.dicom.bulk import Piece, bulk_of
from isthmus.common.dicom.json_model import metadata_of
from isthmus.common.dicomweb.accept import Offer
from isthmus.common.dicomweb.offers import PDF
from isthmus.common.errors import MalformedDataset, NoSuchObject, NotDelivered, PixelsUnreadable, TooLarge
from isthmus.common.messages import BlobRef
from isthmus.common.pixels.errors import ProcessFailed
from isthmus.wado.answers.pieces import length_of
from isthmus.wado.instances import Instances
from isthmus.wado.pictures.reports import report_document

LARGEST_REPORT: Final = 16 * 1024 * 1024
"""Bytes of a structured report that is shown; it is held in memory several times."""

_NO_SCRIPT: Final = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
"""Whatever a document holds can run nothing here, nor send anything anywhere."""
_AS_SAID: Final = {"X-Content-Type-Options": "nosniff"}
_ENCAPSULATED_DOCUMENT: Final = "00420011"
_DOCUMENT_LENGTH: Final = "00420015"


@dataclass(frozen=True, slots=True)
class Rendering:
    """An instance, or a frame of it, in a rendered media type."""

    pieces: Sequence[Piece]
    """Bytes, or where they lie in the instance."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What goes with it where it is the whole answer."""


async def report_rendering(
    instances: Instances, origin: str, blob: BlobRef, offer: Offer, service: str
) -> Rendering:
    """Give a structured report as a page, a text, or in XML.

    Args:
        instances: Where they come from.
        origin: Which origin sent it.
        blob: The report.
        offer: One of its media types.
        service: The path of the resources of its origin, for links.

    Raises:
        TooLarge: it is larger than any report should be.
        NotDelivered: what the origin sent is no report, or cannot be read.
        PixelsUnreadable: it takes too long to write it.
    """
    uid = blob.sop_instance_uid
    if blob.size > LARGEST_REPORT:
        raise TooLarge("The report is too large to be shown", instance=uid)
    content = await instances.blobs.get(blob.key)
    try:
        written = await instances.processes.run(report_document, content, offer.name, service)
    except MalformedDataset as error:
        detail = f"The report that the origin sent cannot be read: {error.detail}"
        raise NotDelivered(detail, origin=origin) from error
    except ProcessFailed as error:
        detail = "The report cannot be shown: it took too long, or too much memory, to write it"
        raise PixelsUnreadable(detail, instance=uid) from error
    return Rendering((written,), {**_AS_SAID, **_NO_SCRIPT})


async def document_rendering(instances: Instances, origin: str, blob: BlobRef, offer: Offer) -> Rendering:
    """Give an encapsulated document as it is (PS3.3 C.24.2).

    Raises:
        NotDelivered: there is none in what the origin sent, or it cannot be read.
    """
    try:
        pieces = await instances.threads.run(_document, instances.blobs, blob)
    except (MalformedDataset, NoSuchObject) as error:
        detail = f"The document that the origin sent cannot be read: {error.detail}"
        raise NotDelivered(detail, origin=origin) from error
    # A browser's viewer for PDF does not work in a sandbox, and has one of its own.
    headers = _AS_SAID if offer.name == PDF.name else {**_AS_SAID, **_NO_SCRIPT}
    return Rendering(pieces, headers)


def _document(blobs: BlobStore, blob: BlobRef) -> tuple[Piece, ...]:
    with blobs.open(blob.key, blob.size) as source:
        attributes, _ = metadata_of(source, "")
        (pieces,) = bulk_of(source, (_ENCAPSULATED_DOCUMENT,)).parts
    said = attributes.get(_DOCUMENT_LENGTH, {"vr": "UL"}).get("Value", [])
    # What a value is padded with is no part of the document.
    if said == [length_of(pieces) - 1]:
        *others, last = pieces
        return (*others, last[:-1] if isinstance(last, bytes) else (last[0], last[1] - 1))
    return pieces


async def video_rendering(instances: Instances, origin: str, blob: BlobRef) -> Rendering:
    """Give a video as it is held.

    Raises:
        NotDelivered: it cannot be found in what the origin sent.
    """
    try:
        index = await instances.derived.frame_indexes.of(blob)
    except (MalformedDataset, NoSuchObject) as error:
        detail = f"The video that the origin sent cannot be read: {error.detail}"
        raise NotDelivered(detail, origin=origin) from error
    return Rendering(tuple(index.frame(1)))
