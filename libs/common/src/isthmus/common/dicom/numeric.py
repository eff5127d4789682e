"""Numbers as they stand in attributes and queries (PS3.5 6.2: IS, DS and the binary ones)."""

import math
import re
import struct
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,4})?")
_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "IS": (-(2**31), 2**31 - 1),
    "SL": (-(2**31), 2**31 - 1),
    "SS": (-(2**15), 2**15 - 1),
    "SV": (-(2**63), 2**63 - 1),
    "UL": (0, 2**32 - 1),
    # PS3.6 has attributes of VR US or SS, which the pixel data decide: they are taken as US.
    "US": (-(2**15), 2**16 - 1),
    "UV": (0, 2**64 - 1),
}
_LONGEST: Final[Mapping[str, int]] = {"IS": 12, "DS": 16}
_FLOATS: Final[Mapping[str, str]] = {"FL": "f", "FD": "d"}
NUMBER_VRS: Final = frozenset({"DS", *_RANGES, *_FLOATS})
"""Value representations of numbers."""


def parse_number(text: str, vr: str) -> Decimal | None:
    """Read a number as a query writes it, strictly; None if the VR forbids it.

    One of VR FL or FD becomes the nearest that this VR can hold: 0.1 finds what is stored for it.
    """
    digits = text.strip(" ")
    if len(digits) > _LONGEST.get(vr, len(digits)):
        return None
    if vr in _RANGES:
        least, most = _RANGES[vr]
        if not _INTEGER.fullmatch(digits) or not least <= int(digits) <= most:
            return None
        return Decimal(int(digits))
    return read_number(digits, vr)


def read_number(text: str, vr: str) -> Decimal | None:
    """Read a number as it is stored, however long it is; None if it is none, or infinite."""
    digits = text.strip(" \0")
    if not _DECIMAL.fullmatch(digits):
        return None
    return _nearest(digits, _FLOATS[vr]) if vr in _FLOATS else Decimal(digits)


def _nearest(digits: str, code: str) -> Decimal | None:
    try:
        (nearest,) = struct.unpack(code, struct.pack(code, float(digits)))
    except OverflowError:
        return None
    return Decimal(nearest) if math.isfinite(nearest) else None
