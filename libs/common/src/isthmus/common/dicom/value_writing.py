"""Values of the DICOM JSON Model as they are encoded in a data set (PS3.18 F.2; PS3.5 6.2, 7.1).

A value that its VR cannot hold raises a ValueError, which says what is wrong and never with which value. What
is only longer than its VR allows, or not of the form that it should have, is for the origin to judge.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from pydicom.valuerep import format_number_as_ds

from isthmus.common.dicom.numeric import parse_number, read_number
from isthmus.common.dicom.person_names import join_groups
from isthmus.common.dicom.vrs import (
    BINARY_VRS,
    LOCALIZED_VRS,
    NUMBER_FORMATS,
    SINGLE_VALUED,
    TEXT_VRS,
    WORD_SIZES,
)

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_NOT_FINITE: Final = frozenset(("NaN", "Infinity", "-Infinity"))
_GROUPS: Final = frozenset(("Alphabetic", "Ideographic", "Phonetic"))
_LONGEST_DS: Final = 16


def encode_values(vr: str, values: Sequence[object]) -> bytes:
    """Encode what stands in `Value`, without padding; texts are in UTF-8.

    Raises:
        ValueError: the VR cannot hold it.
    """
    if not values:
        return b""
    if vr in TEXT_VRS:
        return _texts(vr, values)
    if vr in BINARY_VRS or vr == "SQ":
        raise ValueError(f"{vr} has no such values")
    given = [value for value in values if value is not None]
    if len(given) < len(values) and len(values) > 1:
        raise ValueError(f"{vr} has no empty values")
    if vr == "AT":
        return b"".join(_tag(value) for value in given)
    read: Callable[[object], int | float] = _floating if vr in ("FL", "FD") else _integer
    try:
        return struct.pack(f"<{len(given)}{NUMBER_FORMATS[vr]}", *[read(value) for value in given])
    except (struct.error, OverflowError):
        raise ValueError(f"a value is out of the range of {vr}") from None


def decode_inline(vr: str, text: object) -> bytes:
    """Decode what stands in `InlineBinary` (PS3.18 F.2.7), without padding.

    Raises:
        ValueError: it is not in base64, or the VR is not binary.
    """
    if vr not in BINARY_VRS or not isinstance(text, str):
        raise ValueError(f"{vr} has no InlineBinary")
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("InlineBinary is not in base64") from None
    check_length(vr, len(raw))
    return raw


def check_length(vr: str, length: int) -> None:
    """Make sure that so many bytes can be a value.

    Raises:
        ValueError: they are no whole number of the words that the VR consists of.
    """
    if length % WORD_SIZES.get(vr, 1):
        raise ValueError(f"its length is none that {vr} has")


def _texts(vr: str, values: Sequence[object]) -> bytes:
    read = _TEXTS.get(vr, _text)
    texts = [read("" if value is None else value) for value in values]
    if vr in SINGLE_VALUED:
        if len(texts) > 1:
            raise ValueError(f"{vr} has one value")
    elif any("\\" in text for text in texts):
        raise ValueError("a value has a backslash")
    joined = "\\".join(texts)
    if "\0" in joined:
        raise ValueError("a value has a NUL")
    if vr not in LOCALIZED_VRS and not joined.isascii():
        raise ValueError(f"{vr} has ASCII only")
    try:
        return joined.encode()
    except UnicodeEncodeError:
        raise ValueError("a value is no text") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a value is no text")
    return value


def _name(value: object) -> str:
    if isinstance(value, str):  # as it was before PS3.18 had component groups
        return value
    if not isinstance(value, Mapping) or not value.keys() <= _GROUPS:
        raise ValueError("a value is no person name")
    if any(group is not None and (not isinstance(group, str) or "=" in group) for group in value.values()):
        raise ValueError("a value is no person name")
    return join_groups(value)


def _decimal_text(value: object) -> str:
    if isinstance(value, str):
        if value.strip(" ") and read_number(value, "DS") is None:
            raise ValueError("a value is no decimal number")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a value is no decimal number")
    try:
        number = float(value)
    except OverflowError:  # integers of JSON have any length
        raise ValueError("a value is out of the range of DS") from None
    if not math.isfinite(number):
        raise ValueError("a value is no decimal number")
    text = repr(value).removesuffix(".0")
    return text if len(text) <= _LONGEST_DS else format_number_as_ds(number)


def _integer_text(value: object) -> str:
    text = value.strip(" ") if isinstance(value, str) else str(_integer(value))
    if text and parse_number(text, "IS") is None:
        raise ValueError("a value is out of the range of IS")
    return text


_TEXTS: Final[Mapping[str, Callable[[object], str]]] = {
    "PN": _name,
    "DS": _decimal_text,
    "IS": _integer_text,
}


def _integer(value: object) -> int:
    if isinstance(value, bool):
        raise ValueError("a value is no integer")
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(value))
    if not isinstance(value, int):
        raise ValueError("a value is no integer")
    return value


def _floating(value: object) -> int | float:
    if isinstance(value, str) and (value in _NOT_FINITE or read_number(value, "DS") is not None):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a value is no number")
    return value


def _tag(value: object) -> bytes:
    if not isinstance(value, str) or not _TAG.fullmatch(value):
        raise ValueError("a value is no tag")
    return struct.pack("<HH", int(value[:4], 16), int(value[4:], 16))
