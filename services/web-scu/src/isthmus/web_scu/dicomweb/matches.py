"""Matches as a server gives them, of which only what is DICOM JSON (PS3.18 Annex F) is taken.

One value that is not what it should be never costs the rest of its match, let alone the search.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

from isthmus.common.dicom.attributes import vr_of
from isthmus.common.dicom.element_reader import DEEPEST
from isthmus.common.dicom.json_model import DicomJson, JsonElement, JsonValue
from isthmus.common.dicom.vrs import KNOWN_VRS, TEXT_VRS

_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1


def cleaned(match: Mapping[str, object], depth: int = 0) -> DicomJson:
    """Give what of a match can be read; what is elsewhere, at a URL of the server, is left out."""
    found: DicomJson = {}
    for tag, element in match.items():
        if _TAG.fullmatch(tag) and isinstance(element, Mapping):
            read = _element(tag.upper(), element, depth)
            if read is not None:
                found[tag.upper()] = read
    return dict(sorted(found.items()))


def _element(tag: str, element: Mapping[str, object], depth: int) -> JsonElement | None:
    named = element.get("vr")
    vr = named if isinstance(named, str) and named in KNOWN_VRS else vr_of(tag)
    inline = element.get("InlineBinary")
    if isinstance(inline, str):
        return {"vr": vr, "InlineBinary": inline}
    if "BulkDataURI" in element:
        return None
    given = element.get("Value", [])
    values = given if isinstance(given, list) else [given]
    if vr == "SQ":
        return _sequence(values, depth)
    read = [_value(vr, value) for value in values]
    if values and all(value is None for value in read):
        # Empty is one thing, and not to be read another: what is absent may match.
        return {"vr": vr} if all(value in (None, "", {}) for value in values) else None
    return {"vr": vr, "Value": read} if read else {"vr": vr}


def _sequence(values: list[object], depth: int) -> JsonElement | None:
    if depth == DEEPEST:
        return None
    items: list[JsonValue] = [cleaned(item, depth + 1) for item in values if isinstance(item, Mapping)]
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
    if vr in TEXT_VRS and vr not in {"DS", "IS"}:
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
