"""Values that a query may ask for (PS3.5 6.2; PS3.4 C.2.2.2)."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from isthmus.common.dicom.attributes import vr_of
from isthmus.common.dicom.matching import WILDCARD_VRS
from isthmus.common.dicom.temporal import parse_age, parse_date, parse_datetime, parse_time, split_range
from isthmus.common.dicom.uids import check_uid
from isthmus.common.errors import InvalidParameter

_LONGEST: Final[Mapping[str, int]] = {
    "AE": 16,
    "CS": 16,
    "LO": 64,
    "LT": 10240,
    "PN": 64 * 3 + 2,
    "SH": 16,
    "ST": 1024,
}
"""In characters (PS3.5 Table 6.2-1); a person name has three component groups."""
_CODE_STRING: Final = re.compile(r"[A-Za-z0-9_ *?]*")
_NUMBERS: Final[Mapping[str, re.Pattern[str]]] = {
    "IS": re.compile(r"[+-]?\d{1,11}"),
    "DS": re.compile(r"(?=.{1,16}$)[+-]?(\d+(\.\d*)?|\.\d+)([Ee][+-]?\d+)?"),
    **{vr: re.compile(r"[+-]?\d{1,20}") for vr in ("SL", "SS", "SV", "UL", "US", "UV")},
    **{vr: re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([Ee][+-]?\d+)?") for vr in ("FD", "FL")},
}
_MATCHED_BY_BYTES: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ"})
_IN_TIME: Final[Mapping[str, Callable[[str], object]]] = {
    "AS": parse_age,
    "DA": parse_date,
    "DT": parse_datetime,
    "TM": parse_time,
}
_EXAMPLES: Final[Mapping[str, str]] = {
    "AS": "034Y, or a range such as 020Y-030Y",
    "DA": "20240131, or a range such as 20240101-20240131",
    "DT": "20240131120000, or a range of such",
    "TM": "1200, or a range such as 0800-1730",
}


def check_matching_value(tag: str, value: str, parameter: str) -> None:
    """Check one value of a matching key; an empty one, and `*` where wildcards are allowed, match everything.

    Raises:
        InvalidParameter: the attribute's VR forbids it; names the parameter, and never quotes the value.
    """
    vr = vr_of(tag)
    if not value:
        return
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise InvalidParameter(parameter, "control characters are not allowed")
    if vr == "UI":
        check_uid(value, parameter)
    elif vr in _IN_TIME:
        _check_in_time(vr, value, parameter)
    elif vr in _NUMBERS:
        if not _NUMBERS[vr].fullmatch(value.strip()):
            raise InvalidParameter(parameter, f"is no number that {vr} allows")
    elif vr == "AT":
        if not re.fullmatch(r"[0-9A-Fa-f]{8}", value):
            raise InvalidParameter(parameter, "is no tag of 8 hexadecimal digits")
    elif vr in _MATCHED_BY_BYTES:
        raise InvalidParameter(parameter, f"an attribute of VR {vr} cannot be matched")
    elif vr in WILDCARD_VRS:
        _check_text(vr, value, parameter)


def _check_in_time(vr: str, value: str, parameter: str) -> None:
    parse = _IN_TIME[vr]
    ends = split_range(value, vr)
    if ends is None:
        good = parse(value) is not None
    else:
        good = any(ends) and all(not end or parse(end) is not None for end in ends)
    if not good:
        raise InvalidParameter(parameter, f"{vr} takes {_EXAMPLES[vr]}")
    if ends is not None and all(ends) and _begins_later(vr, *ends):
        raise InvalidParameter(parameter, "the range ends before it begins")


def _begins_later(vr: str, first: str, last: str) -> bool:
    if vr == "AS":
        youngest, oldest = parse_age(first), parse_age(last)
        return youngest is not None and oldest is not None and youngest.least >= oldest.below
    parse = {"DA": parse_date, "DT": parse_datetime, "TM": parse_time}[vr]
    begin, end = parse(first), parse(last)
    return begin is not None and end is not None and begin.first > end.last


def _check_text(vr: str, value: str, parameter: str) -> None:
    longest = _LONGEST.get(vr)
    if longest is not None and len(value.strip()) > longest:
        raise InvalidParameter(parameter, f"{vr} takes {longest} characters at most")
    if "\\" in value and vr not in ("LT", "ST", "UT"):
        raise InvalidParameter(parameter, "a backslash is not allowed")
    if vr == "CS" and not _CODE_STRING.fullmatch(value):
        raise InvalidParameter(parameter, "CS takes letters, digits, space and underscore")
