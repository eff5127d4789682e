"""Matches as a server gives them, of which only what is DICOM JSON (PS3.18 Annex F) is taken.

One value that is not what it should be never costs the rest of its match, let alone the search.
"""

import math
from collections.abc import Mapping
from typing import Final, cast

from isthmus.common.dicom.attributes import vr_of
from isthmus.common.dicom.element_reader import DEEPEST
from isthmus.common.dicom.json_model import DicomJson, JsonElement, JsonValue
from isthmus.common.dicom.vrs import BINARY_VRS, KNOWN_VRS, TEXT_VRS

_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1
_TEXTS_ALONE: Final = TEXT_VRS - {"DS", "IS"}
"""In which a number is a text that someone took for a number."""
_NEVER_PLAIN: Final = BINARY_VRS | {"PN", "SQ"}


def cleaned(match: DicomJson, depth: int = 0) -> DicomJson:
    """Give what of a match can be read; what is elsewhere, at a URL of the server, is left out.

    Args:
        match: with tags that are some, as the client gives it.
        depth: how many sequences it is in.
    """
    found: DicomJson = {}
    for tag, element in match.items():
        taken = element if _is_plain(element) else _taken(tag, element, depth)
        if taken is not None:
            found[tag] = taken
    return found


def _is_plain(element: JsonElement) -> bool:
    """Tell whether an element is as it should be: most are, and they are many."""
    vr = element["vr"]
    if vr not in KNOWN_VRS or vr in _NEVER_PLAIN:
        return False
    values = element.get("Value")
    if values is None:
        return len(element) == 1
    return len(element) == 2 and bool(values) and all(type(value) is str and value for value in values)


def _taken(tag: str, element: JsonElement, depth: int) -> JsonElement | None:
    vr = element["vr"] if element["vr"] in KNOWN_VRS else vr_of(tag)
    if "InlineBinary" in element:
        return {"vr": vr, "InlineBinary": element["InlineBinary"]}
    if "BulkDataURI" in element:
        return None
    values = element.get("Value", [])
    if vr == "SQ":
        return _sequence(values, depth)
    read = [_value(vr, value) for value in values]
    if values and all(value is None for value in read):
        # Empty is one thing, and not to be read another: what is absent may match.
        return {"vr": vr} if all(value in (None, "", {}) for value in values) else None
    return {"vr": vr, "Value": read} if read else {"vr": vr}


def _sequence(values: list[JsonValue], depth: int) -> JsonElement | None:
    if depth == DEEPEST:
        return None
    # JsonValue cannot say without recursion that an item is a data set.
    data_sets = [cast(DicomJson, item) for item in values if isinstance(item, Mapping)]
    items: list[JsonValue] = [cleaned(item, depth + 1) for item in data_sets]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _value(vr: str, value: object) -> JsonValue:
    """Give a value; None where it is empty, or none of its VR."""
    if vr == "PN":
        return _person_name(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not _SMALLEST <= value <= _LARGEST:
        return str(value)
    if vr in _TEXTS_ALONE:
        return str(value) or None
    return None if value == "" else value


def _person_name(value: object) -> JsonValue:
    if isinstance(value, str):
        groups = dict(zip(_GROUPS, value.split("="), strict=False))
    elif isinstance(value, Mapping):
        groups = {name: text for name in _GROUPS if isinstance(text := value.get(name), str)}
    else:
        return None
    return {name: text for name, text in groups.items() if text} or None
