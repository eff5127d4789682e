"""The value representations by what they have in common (PS3.5 6.2)."""

import struct
from typing import Final


def _vrs(names: str) -> frozenset[str]:
    return frozenset(names.split())


LONG_VRS: Final = _vrs("OB OD OF OL OV OW SQ SV UC UN UR UT UV")
"""With a length of 32 bits (PS3.5 Table 7.1-1)."""
KNOWN_VRS: Final = LONG_VRS | _vrs("AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US")
TEXT_VRS: Final = _vrs("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT")
LOCALIZED_VRS: Final = _vrs("LO LT PN SH ST UC UT")
"""Those that Specific Character Set is about (PS3.5 6.1.2.3)."""
SINGLE_VALUED: Final = _vrs("LT ST UR UT")
"""Texts in which a backslash is a character like others."""
PADDED_IN_FRONT: Final = _vrs("AE AS CS DA DS DT IS TM UI")
"""Texts whose leading spaces mean nothing."""
BINARY_VRS: Final = _vrs("OB OD OF OL OV OW UN")
BULK_VRS: Final = _vrs("DS FL FD IS LT OB OD OF OL OV OW SL SS ST SV UC UL UN US UT UV")
"""Those for which a BulkDataURI is allowed (PS3.18 F.2.6)."""
NUMBER_FORMATS: Final = {
    "FL": "f",
    "FD": "d",
    "SL": "i",
    "SS": "h",
    "SV": "q",
    "UL": "I",
    "US": "H",
    "UV": "Q",
}
"""How `struct` calls them."""
WORD_SIZES: Final = {"OW": 2, "AT": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8} | {
    vr: struct.calcsize(f"={code}") for vr, code in NUMBER_FORMATS.items()
}
"""Bytes that big endian has the other way round; 1 for all others (PS3.5 7.3)."""

PIXEL_DATA: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
"""Float, Double Float and integer Pixel Data."""


def padding_of(vr: str | None) -> bytes:
    """Give what makes the length of a value even (PS3.5 6.2); of an unknown VR it is a null."""
    return b" " if vr in TEXT_VRS and vr != "UI" else b"\0"
