"""Values that a query may ask for (PS3.5 6.2; PS3.4 C.2.2.2)."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from isthmus.common.dicom.attributes import vr_of
from isthmus.common.dicom.matching import WILDCARD_VRS
from isthmus.common.dicom.numeric import NUMBER_VRS, parse_number
from isthmus.common.dicom.temporal import parse_age, parse_date, parse_datetime, parse_time, split_range
from isthmus.common.dicom.uids import check_uid
from isthmus.common.errors import InvalidParameter

_LONGEST: Final[Mapping[str, int]] = {
    "AE": 16,
    "CS": 16,
    "LO": 64,
    "LT": 10240,
    "SH": 16,
    "ST": 1024,
}
"""In characters (PS3.5 Table 6.2-1)."""
_NARRATIVE: Final = frozenset({"LT", "ST", "UT"})
"""Texts that may have several lines, and in which a backslash is a character like others."""
_LINE_BREAKS: Final = "\t\n\f\r"
_LONGEST_GROUP, _GROUPS, _COMPONENTS = 64, 3, 5
"""Of a person name (PS3.5 6.2.1.1)."""
_CODE_STRING: Final = re.compile(r"[A-Za-z0-9_ *?]*")
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
NOT_MATCHED: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ"})
"""Value representations of which no value can be asked for."""
_IN_TIME: Final[Mapping[str, Callable[[str], object]]] = {
    "AS": parse_age,
    "DA": parse_date,
    "DT": parse_datetime,
    "TM": parse_time,
}
_TIME_CHARACTERS: Final[Mapping[str, re.Pattern[str]]] = {
    "AS": re.compile(r"[0-9DWMY-]*"),
    "DA": re.compile(r"[0-9-]*"),
    "DT": re.compile(r"[0-9.+-]*"),
    "TM": re.compile(r"[0-9.-]*"),
}
"""Without those of older versions (1993.08.22, 10:15): stored values may have them, but an origin that is
asked so finds nothing."""
_EXAMPLES: Final[Mapping[str, str]] = {
    "AS": "034Y, or a range such as 020Y-030Y",
    "DA": "20240131, or a range such as 20240101-20240131",
    "DT": "20240131120000, or a range of such; a plus sign is percent-encoded",
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
    if any(_is_control(character, vr) for character in value):
        raise InvalidParameter(parameter, "control characters are not allowed")
    if vr == "UI":
        check_uid(value, parameter)
    elif vr in _IN_TIME:
        _check_in_time(vr, value, parameter)
    elif vr in NUMBER_VRS:
        if parse_number(value, vr) is None:
            raise InvalidParameter(parameter, f"is no number that {vr} allows")
    elif vr == "AT":
        if not _TAG.fullmatch(value):
            raise InvalidParameter(parameter, "is no tag of 8 hexadecimal digits")
    elif vr in NOT_MATCHED:
        raise InvalidParameter(parameter, f"an attribute of VR {vr} cannot be matched")
    elif vr in WILDCARD_VRS:
        _check_text(vr, value, parameter)


def _is_control(character: str, vr: str) -> bool:
    if vr in _NARRATIVE and character in _LINE_BREAKS:
        return False
    return unicodedata.category(character) == "Cc"


def _check_in_time(vr: str, value: str, parameter: str) -> None:
    parse = _IN_TIME[vr]
    ends = split_range(value, vr)
    if ends is None:
        good = parse(value) is not None
    else:
        good = any(ends) and all(not end or parse(end) is not None for end in ends)
    if not good or not _TIME_CHARACTERS[vr].fullmatch(value):
        raise InvalidParameter(parameter, f"{vr} takes {_EXAMPLES[vr]}")
    if ends is not None and all(ends) and _begins_later(vr, *ends):
        raise InvalidParameter(parameter, "the range ends before it begins")


def _begins_later(vr: str, first: str, last: str) -> bool:
    if vr == "AS":
        youngest, oldest = parse_age(first), parse_age(last)
        return youngest is not None and oldest is not None and youngest.exceeds(oldest)
    parse = {"DA": parse_date, "DT": parse_datetime, "TM": parse_time}[vr]
    begin, end = parse(first), parse(last)
    return begin is not None and end is not None and begin.begins_after(end)


def _check_text(vr: str, value: str, parameter: str) -> None:
    longest = _LONGEST.get(vr)
    # A `*` may stand for nothing.
    if longest is not None and len(value.strip().replace("*", "")) > longest:
        raise InvalidParameter(parameter, f"{vr} takes {longest} characters at most")
    if "\\" in value and vr not in _NARRATIVE:
        raise InvalidParameter(parameter, "a backslash is not allowed")
    if vr == "CS" and not _CODE_STRING.fullmatch(value):
        raise InvalidParameter(parameter, "CS takes letters, digits, space and underscore")
    if vr == "PN":
        _check_name(value, parameter)


def _check_name(value: str, parameter: str) -> None:
    groups = value.split("=")
    if len(groups) > _GROUPS or any(group.count("^") >= _COMPONENTS for group in groups):
        raise InvalidParameter(parameter, f"PN takes {_GROUPS} groups of {_COMPONENTS} components at most")
    if any(len(group.strip().replace("*", "")) > _LONGEST_GROUP for group in groups):
        raise InvalidParameter(parameter, f"PN takes {_LONGEST_GROUP} characters in a group at most")
