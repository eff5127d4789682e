"""The conformance statement, in the form of PS3.2 Annex N, made from the tables that the code uses.

`make docs` writes it to docs/conformance.md; a test sees that it was.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from pydicom.uid import UID

from isthmus.common.config.settings import Search
from isthmus.common.dicom.attributes import AttributePath, keyword_of
from isthmus.common.dicom.encapsulated import is_video, media_type_of
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import DEFAULT_RETURN, OPTIONAL, REQUIRED_MATCHING
from isthmus.common.dicomweb.transactions import TRANSACTIONS, Parameter, Transaction
from isthmus.common.pixels.syntaxes import DECODABLE, ENCODABLE, LOSSY
from isthmus.stow.reasons import OWN
from isthmus.wado.parameters.rendering_parameters import LARGEST, THUMBNAIL
from isthmus.wado.pictures.rendering.encode import DEFAULT_QUALITY
from tests.documents.declined import DECLINED
from tests.documents.dimse_services import dimse

STATEMENT: Final = Path(__file__).parents[2] / "docs" / "conformance.md"
_SYNTAXES: Final = (
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.1.99"),
    "1.2.840.10008.1.2.2",
    *(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 92, 93)),
    *(f"1.2.840.10008.1.2.4.{number}" for number in (100, 101, 102, 103, 104, 105, 106, 107, 108)),
    *(f"1.2.840.10008.1.2.4.{number}" for number in (110, 111, 112, 201, 202, 203)),
    *("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"),
)
_NAMES: Final = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
"""Those that pydicom does not know."""
_NEVER_SENT: Final = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.2"}
_INTRODUCTION: Final = """\
# DICOM conformance statement

<!-- Made by `make docs` from the tables that the code uses: do not edit. -->

Isthmus is an origin server of the Studies Service (PS3.18 10) and of the URI Service (PS3.18 9) for objects
that lie in other systems, or were sent to its inboxes: its origins. It reaches them by
[DIMSE](#dimse-services-that-are-used) as a Service Class User (C-FIND, C-GET, C-MOVE, C-STORE; Study Root),
by [DICOMweb](#dicomweb-services-that-are-used) as a user agent, and in buckets of S3; whatever they speak, to
DIMSE clients it is [a Service Class Provider](#dimse-services-that-are-provided) for them, by the AE title of
each. The resources below are there for each origin, below `/aets/{origin}`, and for all origins at once,
below `/dicomweb`. Each line is held by a test: `tests/system/conformance`.

What an origin does otherwise than the standard says is in [its quirks](quirks.md).
"""


def statement() -> str:
    """Write the statement."""
    return "\n".join(
        [
            _INTRODUCTION,
            *_transactions(),
            *_deletions(),
            *_stores(),
            *_negotiation(),
            *_pictures(),
            *_matching(),
            *_dimse(),
            *_declined(),
        ]
    )


def _transactions() -> Iterator[str]:
    yield "## Transactions"
    for service, group in groupby(TRANSACTIONS, lambda each: each.service):
        transactions = [*group]
        yield f"\n### {service}\n"
        yield from _table(
            ("Transaction", "Section", "Method and resource", "Media types, the default first", "Statuses"),
            map(_transaction, transactions),
        )
        takes = dict.fromkeys(media_type for each in transactions for media_type in each.takes)
        if takes:
            yield f"\nPayloads: {', '.join(f'`{media_type}`' for media_type in takes)}."
        parameters = dict.fromkeys(parameter for each in transactions for parameter in each.parameters)
        if parameters:
            yield "\n| Query parameter | Section | Values | Of |\n|---|---|---|---|"
        for parameter in parameters:
            yield _parameter(parameter, transactions)


def _transaction(transaction: Transaction) -> Sequence[str]:
    media_types = dict.fromkeys(offer.media_type for offer in transaction.offers)
    return (
        transaction.name,
        transaction.section,
        f"{transaction.method} `{transaction.path.replace(':path', '')}`",
        ", ".join(f"`{media_type}`" for media_type in media_types),
        ", ".join(map(str, sorted(transaction.statuses))),
    )


def _parameter(parameter: Parameter, transactions: Sequence[Transaction]) -> str:
    of = [each.name for each in transactions if parameter in each.parameters]
    everywhere = len(of) == len(transactions)
    written = f"`{parameter.name}`" + (" (required)" if parameter.is_required else "")
    cells = (written, parameter.section, parameter.values, "all" if everywhere else ", ".join(of))
    return f"| {' | '.join(cells)} |"


def _deletions() -> Iterator[str]:
    yield """
Deletion is no transaction of the standard. What has arrived in an inbox can be deleted: 204 means that nobody
finds it any more and that its bytes, and what was made from them, are gone; a study of which no instance is
left is gone too. What comes again later is new. Events that told of it stay in their stream. Other origins
and `/dicomweb` answer 405, with the methods that they have.
"""


def _stores() -> Iterator[str]:
    yield """
## What is stored, and why something is not (PS3.18 10.5.2, Annex I)

Objects go to the origin byte for byte, in the transfer syntax that they have; nothing is coerced. Of
metadata and bulkdata, which may come in any order, an instance is made in Explicit VR Little Endian, its text
in UTF-8. Pixel data that come as `image/jpeg`, `image/jls`, `image/jp2`, `image/jpx`, `image/jphc`,
`video/mpeg2`, `video/mp4`, or with a `transfer-syntax`, are encapsulated as they are, in the transfer syntax
that their codestream has; `image/png` and `image/gif` become native. The Image Pixel Description attributes,
Number of Frames and Lossy Image Compression are filled in from them where the metadata omit these. Several
parts of one Content-Location are the frames of one image.

The reasons of an origin are handed on as they are, as Failure Reason or Warning Reason, with an Error Comment
in words of ours: an origin's own may quote a patient. These are ours:
"""
    yield from _table(
        ("Failure Reason", "When"), ((f"{status:04X}", words) for status, words in sorted(OWN.items()))
    )


def _negotiation() -> Iterator[str]:
    yield """
## Media types and transfer syntaxes (PS3.18 8.7)

The `accept` query parameter goes before the Accept header; weights and several ranges count; `type` may be
unquoted; without either everything is accepted. Where nothing fits the answer is 406, and lists what there
is.

Objects are given in Explicit VR Little Endian unless `transfer-syntax` says otherwise; `transfer-syntax=*`
gives them as they are held, byte for byte. Objects of which only a lossy form is held, or one that cannot
be decoded here, are given as they are held. Implicit VR and big endian are never sent: such objects become
Explicit VR Little Endian.
"""
    yield from _table(
        ("Transfer syntax", "UID", "Media type of a frame", "Objects, frames, pictures"), _syntaxes()
    )


def _syntaxes() -> Iterator[Sequence[str]]:
    for uid in _SYNTAXES:
        yield (
            _NAMES.get(uid, UID(uid).name),
            uid,
            f"`{media_type_of(uid)}`",
            "; ".join(_what_can_be_done(uid)),
        )


def _what_can_be_done(uid: str) -> Iterator[str]:
    if uid not in _NEVER_SENT:
        yield "given as held"
    if uid in ENCODABLE:
        yield "given of others, where the form of their pixels allows"
    if uid in DECODABLE:
        yield "decoded, transcoded, rendered" + (" (lossy)" if uid in LOSSY else "")
    elif is_video(uid):
        yield "not decoded: 406 for anything else"
    else:
        yield "not decoded, as no well-kept decoder is small enough: 406 for anything else"


def _pictures() -> Iterator[str]:
    yield f"""
## Rendered resources and thumbnails (PS3.18 8.3.5, 10.4.5)

Every Image Storage SOP class can be rendered, with each Photometric Interpretation of PS3.3 C.7.6.3.1.2 but
the retired HSV, ARGB and CMYK. Grayscale, color and pseudo-color presentation states are applied; those that
subtract a mask or blend images are 406. Structured reports and encapsulated documents are text.

`quality` is that of libjpeg, and {DEFAULT_QUALITY} without it; it means nothing for `image/png` and
`image/gif`. A `viewport` has {LARGEST} pixels at most in each direction. Texts are in UTF-8.

A thumbnail of a study or series is one of its images: the one in the middle of the series that has most. Of
several frames it is the Representative Frame, or else the one in the middle. It fits in {THUMBNAIL.width} x
{THUMBNAIL.height} pixels, or in the `viewport`. Nothing is written into it, and an image that may have words
in it, by Burned In Annotation or overlays, is never larger than that.
"""


def _matching() -> Iterator[str]:
    yield f"""
## Attributes of searches (PS3.18 10.6)

Any other attribute of the level searched, or of one above it, can be matched too where the origin has it.
Whatever an origin matches is matched again here, as far as it gives the attribute; where it does not, a
Warning says so. Names are matched without regard to case where the origin does so, other texts with it;
with `fuzzymatching` each word of the key begins a word of the name, without regard to case and accents.
Whether a number (IS, DS) is found though it is written otherwise is up to the origin.

A search of several levels is a query of each, and looks into {Search().max_parents} studies or series
at most, where `search.max_parents` does not say otherwise: beyond that it is 413.
"""
    rows = (
        (
            level.value,
            _keywords(REQUIRED_MATCHING[level]),
            _keywords(DEFAULT_RETURN[level]),
            _keywords(OPTIONAL[level]),
        )
        for level in Level
    )
    yield from _table(("Level", "Matched", "Returned by default", "With `includefield=all`"), rows)


def _dimse() -> Iterator[str]:
    for words, head, rows in dimse():
        yield f"\n{words.strip()}\n"
        yield from _table(head, rows)


def _declined() -> Iterator[str]:
    yield "\n## What is not done, and why\n"
    yield from _table(("Section", "What", "Why"), DECLINED)
    yield ""


def _keywords(paths: Iterable[AttributePath]) -> str:
    return ", ".join(".".join(keyword_of(tag) or tag for tag in path) for path in paths)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    STATEMENT.write_text(statement())
    sys.stderr.write(f"wrote {STATEMENT.name}\n")
