"""Values of elements in the DICOM JSON Model (PS3.18 F.2): from bytes, text or numbers, each with its VR."""

import base64
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Final, Required

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from isthmus.common.dicom.character_sets import CharacterSet
from isthmus.common.dicom.vrs import (
    BINARY_VRS,
    LOCALIZED_VRS,
    NUMBER_FORMATS,
    PADDED_IN_FRONT,
    SINGLE_VALUED,
    WORD_SIZES,
)

JsonValue = str | int | float | Mapping[str, object] | None
"""A text, a number, a person name's component groups, an item of a sequence, or an empty value."""


class JsonElement(TypedDict, total=False):
    """An element (PS3.18 F.2.2): its VR and at most one of the other three."""

    vr: Required[str]
    Value: list[JsonValue]
    BulkDataURI: str
    InlineBinary: str


DicomJson = dict[str, JsonElement]
"""A data set: tags of 8 upper-case hexadecimal digits, ascending."""

_INTEGER: Final = re.compile(r"[+-]?\d+(?:\.0*)?", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[Ee][+-]?\d+)?", re.ASCII)
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_MAX_DIGITS: Final = 18
"""An integer of more does not fit into 64 bits, which is what JSON and msgpack carry."""


def first_text(attributes: DicomJson, tag: str) -> str:
    """Give the first value of an element as text; empty where there is no such element, or it has none."""
    element = attributes.get(tag)
    values = element.get("Value") if element is not None else None
    return str(values[0]) if values and values[0] is not None else ""


def from_bytes(vr: str, raw: bytes, *, little_endian: bool) -> JsonElement:
    """Describe the value field of an element that is neither a text nor a sequence.

    Raises:
        ValueError: the VR forbids such a value, or JSON has no form for it.
    """
    if vr in BINARY_VRS:
        return from_binary(vr, raw if little_endian else swapped(raw, WORD_SIZES.get(vr, 1)))
    order = "<" if little_endian else ">"
    if vr == "AT":
        tags = struct.iter_unpack(f"{order}HH", _whole(raw, 4))
        return from_numbers(vr, [group << 16 | element for group, element in tags])
    numbers = struct.iter_unpack(order + NUMBER_FORMATS[vr], _whole(raw, WORD_SIZES[vr]))
    return from_numbers(vr, [number for (number,) in numbers])


def decode_text(vr: str, raw: bytes, character_set: CharacterSet) -> str:
    """Decode the value field of a VR of text."""
    return (character_set if vr in LOCALIZED_VRS else CharacterSet()).decode(raw, vr)


def from_text(vr: str, text: str) -> JsonElement:
    """Describe the text of an element, its values separated by backslashes.

    Raises:
        ValueError: it is to be a number, and is none.
    """
    text = text.rstrip(" \0")
    if not text:
        return {"vr": vr}
    values = [text] if vr in SINGLE_VALUED else text.split("\\")
    return {"vr": vr, "Value": [_text_value(vr, value) for value in values]}


def from_numbers(vr: str, numbers: Sequence[int | float]) -> JsonElement:
    """Describe the numbers, or tags, of an element.

    Raises:
        ValueError: one is infinite or not a number.
    """
    if not numbers:
        return {"vr": vr}
    if vr == "AT":
        return {"vr": vr, "Value": [f"{tag:08X}" for tag in numbers]}
    if not all(map(math.isfinite, numbers)):
        raise ValueError("JSON has no form for it")
    return {"vr": vr, "Value": list(numbers)}


def from_binary(vr: str, raw: bytes) -> JsonElement:
    """Describe bytes, in little endian, inline (PS3.18 F.2.7)."""
    return {"vr": vr, "InlineBinary": base64.b64encode(raw).decode("ascii")} if raw else {"vr": vr}


def swapped(raw: bytes, word_size: int) -> bytes:
    """Turn each word round; what is left at the end, of a bad length, stays as it is."""
    whole = len(raw) - len(raw) % word_size
    if word_size == 1 or not whole:
        return raw
    turned = bytearray(raw)
    for place in range(word_size):
        turned[place:whole:word_size] = raw[word_size - 1 - place : whole : word_size]
    return bytes(turned)


def _whole(raw: bytes, size: int) -> bytes:
    if len(raw) % size:
        raise ValueError("its length is none of its VR")
    return raw


def _text_value(vr: str, text: str) -> JsonValue:
    value = text.strip(" \0") if vr in PADDED_IN_FRONT else text.rstrip(" \0")
    if not value:
        return None
    if vr == "IS":
        return _integer(value)
    if vr == "DS":
        return _decimal(value)
    if vr == "PN":
        groups = (group.rstrip(" ") for group in value.split("="))
        return {name: group for name, group in zip(_GROUPS, groups, strict=False) if group} or None
    return value


def _integer(value: str) -> int:
    if not _INTEGER.fullmatch(value) or len(value) > _MAX_DIGITS:
        raise ValueError("no integer")
    return int(value.split(".", maxsplit=1)[0])


def _decimal(value: str) -> int | float:
    if not _DECIMAL.fullmatch(value):
        raise ValueError("no decimal")
    if value.lstrip("+-").isdecimal() and len(value) <= _MAX_DIGITS:
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("no finite decimal")
    return number
