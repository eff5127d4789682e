"""Instances out of metadata and bulkdata (PS3.18 10.5.1.4, 10.5.2), as pieces that are still to be written.

Pure functions, which run in a thread, or in a worker process where the metadata are large.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.uid import ExplicitVRLittleEndian

from isthmus.common.dicom.from_json import Fragments, Piece, Stretch, Unwritable, encode_data_set, length_of
from isthmus.common.dicom.part10 import Identity
from isthmus.common.dicom.xml_model import parse_native_model
from isthmus.common.errors import MalformedDataset
from isthmus.stow.image_pixels import Attributes, check_native, filled_in, tells_frames
from isthmus.stow.parts import BulkPart, Kind, Located, Native, absolute
from isthmus.stow.pictures.compressed import Compressed, Unreadable
from isthmus.stow.reading import UIDS, broken_document, identity_of, objects, referred
from isthmus.stow.reasons import (
    AMBIGUOUS_BULKDATA,
    BAD_ATTRIBUTE,
    CANNOT_UNDERSTAND,
    MISSING_BULKDATA,
    Refusal,
)

_PIXEL_DATA: Final = "7FE00010"
_PIXELS: Final = "the pixel data"
"""This very text is in the place of the BulkDataURI of Pixel Data at the top level."""
_FRAGMENT_BYTES: Final = 2**31
"""Of a stream that is longer than one fragment can be."""


@dataclass(frozen=True, slots=True)
class Composed:
    """An instance that can be written."""

    identity: Identity
    transfer_syntax_uid: str
    dataset: Sequence[Piece]
    used: frozenset[str]
    """The locations to which it refers."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An instance that cannot be written."""

    identity: Identity | None
    """None where it cannot be named; else with empty texts for what it does not have."""
    reason: int
    """Failure Reason."""
    detail: str
    used: frozenset[str] = frozenset()


class MissingBulkdata(Refusal):
    """No part has the location."""

    status = MISSING_BULKDATA


class AmbiguousBulkdata(Refusal):
    """Several parts have the location, and are no frames."""

    status = AMBIGUOUS_BULKDATA


class BrokenOff(Refusal):
    """The body ended where more frames may have been to come."""

    status = CANNOT_UNDERSTAND


def compose(metadata: bytes, kind: Kind, located: Located, base: str) -> list[Composed | Refused]:
    """Make instances of a part of metadata.

    Args:
        metadata: The part, as a whole.
        kind: JSON, of one instance or an array of them; or XML, of one.
        located: The bulkdata.
        base: The URL that makes its BulkDataURIs absolute.

    Raises:
        MalformedDataset: nothing can be read, or something of JSON cannot.
    """
    if kind is Kind.XML:
        try:
            described: Iterator[Attributes] = iter([parse_native_model(metadata)])
        except MalformedDataset as error:
            broken = broken_document(metadata)
            if broken is None:
                raise
            identity, uris = broken
            return [Refused(identity, BAD_ATTRIBUTE, error.detail, _absolute(base, uris))]
    else:
        described = objects(metadata)
    return [_compose(attributes, located, base) for attributes in described]


def _compose(attributes: Attributes, located: Located, base: str) -> Composed | Refused:
    identity = identity_of(attributes)
    used = _absolute(base, referred(attributes))
    if not identity.sop_instance_uid or not identity.sop_class_uid:
        return Refused(None, BAD_ATTRIBUTE, "It has no SOP Instance UID or no SOP Class UID", used)
    for tag, uid in zip(UIDS, (identity.study_instance_uid, identity.series_instance_uid), strict=False):
        if not uid:
            return Refused(identity, BAD_ATTRIBUTE, f"({tag[:4]},{tag[4:]}): it is missing", used)
    finder = _Finder(located, base)
    try:
        attributes = finder.with_pixels(attributes)
        dataset = encode_data_set(attributes, finder.find)
    except (Refusal, Unwritable) as error:
        refusal = error if isinstance(error, Refusal) else error.__cause__
        reason = refusal.status if isinstance(refusal, Refusal) else BAD_ATTRIBUTE
        return Refused(identity, reason, str(error), used)
    return Composed(identity, finder.transfer_syntax_uid, dataset, used)


def _absolute(base: str, uris: Iterable[str]) -> frozenset[str]:
    return frozenset(absolute(base, uri) for uri in uris)


@dataclass(slots=True)
class _Finder:
    """Finds the bulkdata of one instance."""

    located: Located
    base: str
    transfer_syntax_uid: str = str(ExplicitVRLittleEndian)
    pixels: Sequence[Stretch] | Fragments = ()

    def find(self, uri: str) -> Sequence[Stretch] | Fragments:
        """Give what a BulkDataURI names."""
        if uri is _PIXELS:
            return self.pixels
        parts = self._parts(uri)
        if len(parts) > 1:
            raise AmbiguousBulkdata("several parts have its location")
        return (parts[0].stretch,)

    def _parts(self, uri: str) -> Sequence[BulkPart]:
        parts = self.located.get(absolute(self.base, uri))
        if not parts:
            raise MissingBulkdata("no part has its location")
        return parts

    def with_pixels(self, attributes: Attributes) -> Attributes:
        """Find the pixel data of the instance; give the attributes with what these tell."""
        key = next((key for key in attributes if key.upper() == _PIXEL_DATA), "")
        element = attributes.get(key)
        uri = element.get("BulkDataURI") if isinstance(element, Mapping) else None
        if not isinstance(element, Mapping) or not isinstance(uri, str):
            return attributes
        try:
            found = self._described(attributes, self._parts(uri))
        except Refusal as refusal:
            raise type(refusal)(f"(7FE0,0010): {refusal}") from refusal
        return {**found, _PIXEL_DATA: {**element, "BulkDataURI": _PIXELS}}

    def _described(self, attributes: Attributes, parts: Sequence[BulkPart]) -> Attributes:
        found = [part.found for part in parts]
        for one in found:
            if isinstance(one, Refusal):
                raise one
        compressed = [one for one in found if isinstance(one, Compressed)]
        native = [one for one in found if isinstance(one, Native)]
        is_stream = any(one.is_stream for one in compressed)
        if (compressed or native) and parts[-1].may_go_on and not (is_stream or tells_frames(attributes)):
            # Each part holds frames; those that came would make an image that looks whole.
            raise BrokenOff("cut off, and Number of Frames is not told")
        if len(compressed) == len(parts):
            return self._compressed(attributes, parts, compressed)
        if len(native) == len(parts):
            return self._native(attributes, native)
        if len(parts) > 1:
            raise AmbiguousBulkdata("several parts have its location")
        self.pixels = (parts[0].stretch,)
        check_native(attributes, parts[0].stretch.length)
        return {tag.upper(): one for tag, one in attributes.items()}

    def _compressed(
        self, attributes: Attributes, parts: Sequence[BulkPart], found: Sequence[Compressed]
    ) -> Attributes:
        first = found[0]
        if any((one.pixels, one.is_stream) != (first.pixels, first.is_stream) for one in found):
            raise Unreadable("its frames differ")
        if first.is_stream and len(found) > 1:
            raise AmbiguousBulkdata("several parts have its location")
        self.transfer_syntax_uid = _common(found)
        places = [
            Stretch(part.stretch.source, part.stretch.offset + offset, length)
            for part, one in zip(parts, found, strict=True)
            for offset, length in one.frames
        ]
        if first.is_stream:
            places = list(_in_fragments(places[0]))
        self.pixels = Fragments(tuple(places), is_stream=first.is_stream)
        frames = first.number_of_frames if first.is_stream else len(places)
        return filled_in(attributes, first.pixels, frames, is_lossy=any(one.is_lossy for one in found))

    def _native(self, attributes: Attributes, found: Sequence[Native]) -> Attributes:
        if any(one.pixels != found[0].pixels for one in found):
            raise Unreadable("its frames differ")
        self.pixels = [one.stretch for one in found]
        frames = sum(one.number_of_frames for one in found)
        described = filled_in(attributes, found[0].pixels, frames, is_lossy=False)
        check_native(described, length_of(self.pixels))
        return described


def _common(found: Sequence[Compressed]) -> str:
    """Give the narrowest transfer syntax that holds all frames."""
    holding = frozenset.intersection(*(one.others | {one.transfer_syntax_uid} for one in found))
    narrowest = [one.transfer_syntax_uid for one in found if one.transfer_syntax_uid in holding]
    if not narrowest:
        raise Unreadable("its frames differ")
    return narrowest[0]


def _in_fragments(stream: Stretch) -> Iterator[Stretch]:
    for begin in range(0, stream.length, _FRAGMENT_BYTES):
        length = min(_FRAGMENT_BYTES, stream.length - begin)
        yield Stretch(stream.source, stream.offset + begin, length)
