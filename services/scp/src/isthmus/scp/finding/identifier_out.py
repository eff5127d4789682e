"""The Identifiers of C-FIND responses (PS3.4 C.4.1.1.3.2), from matches, without pydicom: there may be many.

A value that its VR forbids is left empty: one bad value does not cost the match, or all of them.
"""

import struct
from collections.abc import Mapping
from typing import Final, Self, cast

from pydicom.uid import ImplicitVRLittleEndian

from isthmus.common.dicom.attributes import AttributePath, tag_of
from isthmus.common.dicom.element_reader import ITEM
from isthmus.common.dicom.explicit import element_head, item_head
from isthmus.common.dicom.json_values import DicomJson, JsonElement
from isthmus.common.dicom.localized import localize
from isthmus.common.dicom.value_writing import decode_inline, encode_values
from isthmus.common.dicom.vrs import KNOWN_VRS, LOCALIZED_VRS, LONG_VRS, padding_of

_CHARACTER_SET: Final = tag_of("SpecificCharacterSet")
_UTF_8: Final = "ISO_IR 192"
_LONGEST_SHORT: Final = 0xFFFE

_Encoded = list[tuple[int, str, "bytes | list[_Encoded]"]]
"""Tag, VR, and the value in UTF-8, or the items of a sequence."""


class Wanted:
    """What is told of a match, or of the items of one of its sequences."""

    def __init__(self) -> None:
        self.vrs: dict[str, str] = {}
        self.within: dict[str, Self] = {}
        """Of which sequences not all is told."""

    @classmethod
    def of(cls, asked: Mapping[AttributePath, str]) -> Self:
        """Arrange the attributes of a request."""
        wanted = cls()
        for path, vr in asked.items():
            level = wanted
            *parents, last = path
            for parent in parents:
                level.vrs[parent] = "SQ"
                level = level.within.setdefault(parent, cls())
            level.vrs[last] = vr
        return wanted


class IdentifierWriter:
    """Writes the Identifiers of one answer."""

    def __init__(
        self, asked: Mapping[AttributePath, str], transfer_syntax_uid: str, character_set: str
    ) -> None:
        """Prepare.

        Args:
            asked: what a response tells, with the VRs of the request.
            transfer_syntax_uid: Explicit or Implicit VR Little Endian.
            character_set: Specific Character Set of the request: that of a response, where its text fits.
        """
        self._wanted = Wanted.of(asked)
        self._implicit = transfer_syntax_uid == ImplicitVRLittleEndian
        self._character_set = character_set

    def write(self, match: DicomJson) -> bytes:
        """Write a match: what was asked for and it does not have, is empty."""
        elements = _encoded(match, self._wanted)
        plain = self._bytes(elements, None)
        if plain is not None:
            return plain
        for character_set in (self._character_set, _UTF_8):
            localized = self._localized(elements, character_set)
            if localized is not None:
                return localized
        raise AssertionError("UTF-8 has all characters")

    def _localized(self, elements: _Encoded, character_set: str) -> bytes | None:
        """Encode in a character set; None where it has not all characters."""
        if not character_set:
            return None
        named = [(int(_CHARACTER_SET, 16), "CS", character_set.encode("ascii", "replace"))]
        others = [element for element in elements if element[0] != named[0][0]]
        return self._bytes(sorted([*named, *others], key=lambda element: element[0]), character_set)

    def _bytes(self, elements: _Encoded, character_set: str | None) -> bytes | None:
        pieces: list[bytes] = []
        for tag, vr, value in elements:
            if isinstance(value, list):
                items = [self._bytes(item, character_set) for item in value]
                if None in items:
                    return None
                raw = b"".join(item_head(ITEM, len(item)) + item for item in cast("list[bytes]", items))
            elif vr in LOCALIZED_VRS and not value.isascii():
                localized = None if character_set is None else localize(value.decode(), vr, character_set)
                if localized is None:
                    return None
                raw = localized
            else:
                raw = value
            pieces.append(self._element(tag, vr, raw))
        return b"".join(pieces)

    def _element(self, tag: int, vr: str, raw: bytes) -> bytes:
        if len(raw) % 2:
            raw += padding_of(vr)
        if self._implicit:
            return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(raw)) + raw
        if vr not in LONG_VRS and len(raw) > _LONGEST_SHORT:
            vr = "UN"  # PS3.5 6.2.2
        return element_head(tag, vr, len(raw)) + raw


def _encoded(attributes: DicomJson, wanted: Wanted) -> _Encoded:
    """Encode what is wanted of a match or an item, in the order of the tags."""
    elements: _Encoded = []
    for tag in sorted(wanted.vrs):
        element = attributes.get(tag)
        vr = wanted.vrs[tag]
        if element is not None and element["vr"] in KNOWN_VRS:
            vr = element["vr"]
        elements.append((int(tag, 16), vr, _value(vr, element, wanted.within.get(tag))))
    return elements


def _value(vr: str, element: JsonElement | None, within: Wanted | None) -> "bytes | list[_Encoded]":
    if element is None:
        return [] if vr == "SQ" else b""
    try:
        if vr == "SQ":
            return [_item(item, within) for item in element.get("Value", ())]
        if "InlineBinary" in element:
            return decode_inline(vr, element["InlineBinary"])
        return encode_values(vr, element.get("Value", ()))
    except ValueError:
        return [] if vr == "SQ" else b""


def _item(item: object, within: Wanted | None) -> _Encoded:
    if item is None:
        return []
    if not isinstance(item, Mapping):
        raise ValueError("an item is no data set")
    attributes = cast("DicomJson", item)
    return _encoded(attributes, within if within is not None else _all_of(attributes))


def _all_of(attributes: DicomJson) -> Wanted:
    return Wanted.of({(tag,): element["vr"] for tag, element in attributes.items() if tag != _CHARACTER_SET})
