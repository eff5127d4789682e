"""Data sets of the DICOM JSON Model as others write them (PS3.18 F.2): as we write them, or not at all."""

from functools import lru_cache
from typing import Final, cast

from isthmus.common.dicom.attributes import vr_of
from isthmus.common.dicom.json_values import DicomJson, JsonElement, JsonValue

DEEPEST: Final = 64
"""Sequences in each other."""
_HEXADECIMAL: Final = frozenset("0123456789ABCDEF")
_VALUES: Final = frozenset({str, int, float, dict, type(None)})


def data_set(parsed: object, left_out: list[str] | None = None) -> DicomJson:
    """Give a data set whose tags are in upper case and ascending, each element with its VR.

    Args:
        parsed: what a JSON parser made of it; what is right already is given back as it is.
        left_out: takes what is wrong of elements that are left out, as long as some are right; quotes nothing
            of them. Without it one wrong element is an error.

    Raises:
        ValueError: it is not of the model; quotes nothing of it.
    """
    return cast(DicomJson, parsed) if _is_right(parsed, 0) else _data_set(parsed, 0, left_out)


def _is_right(parsed: object, depth: int) -> bool:
    """Tell whether a data set can stay as it is: most can, and nothing else is as fast."""
    if type(parsed) is not dict or depth > DEEPEST:
        return False
    before = ""
    for name, element in parsed.items():
        if name <= before or not _is_tag(name) or type(element) is not dict:
            return False
        before = name
        vr = element.get("vr")
        if type(vr) is not str or not vr or (len(element) > 1 and not _has_one_value(vr, element, depth)):
            return False
    return True


def _has_one_value(vr: str, element: dict[str, object], depth: int) -> bool:
    values = element.get("Value")
    if len(element) > 2 or not values or type(values) is not list:
        return len(element) == 2 and type(element.get("BulkDataURI", element.get("InlineBinary"))) is str
    if vr == "SQ":
        return all(_is_right(item, depth + 1) for item in values)
    return all(type(value) in _VALUES for value in values)


@lru_cache(8192)
def _is_tag(name: str) -> bool:
    return len(name) == 8 and _HEXADECIMAL.issuperset(name)


def _data_set(parsed: object, depth: int, left_out: list[str] | None = None) -> DicomJson:
    if not isinstance(parsed, dict):
        raise ValueError("a data set is no object")
    if depth > DEEPEST:
        raise ValueError("its sequences are too deep")
    members: list[tuple[str, JsonElement]] = []
    wrong: list[ValueError] = []
    for name, element in parsed.items():
        try:
            members.append(_member(name, element, depth, left_out))
        except ValueError as error:
            if left_out is None:
                raise
            wrong.append(error)
    if wrong and not members:
        raise wrong[0]
    if left_out is not None:
        left_out.extend(map(str, wrong))
    return dict(sorted(members, key=_first))


def _first(member: tuple[str, JsonElement]) -> str:
    return member[0]


def _member(name: str, element: object, depth: int, left_out: list[str] | None) -> tuple[str, JsonElement]:
    tag = name.upper()
    if not _is_tag(tag):
        raise ValueError("a name is no tag of 8 hexadecimal digits")
    if not isinstance(element, dict):
        raise ValueError("an element is no object")
    vr, values = element.get("vr") or vr_of(tag), element.get("Value") or []
    if isinstance(values, str | int | float):
        values = [values]  # a single value as it is: so some write it (dcm4che/dcm4che#1079)
    if not isinstance(vr, str) or not isinstance(values, list):
        raise ValueError("a vr is no string, or a Value no array")
    found: JsonElement = {"vr": vr}
    if values:
        found["Value"] = [_value(vr, value, depth, left_out) for value in values]
    uri, binary = element.get("BulkDataURI"), element.get("InlineBinary")
    if not isinstance(uri, str | None) or not isinstance(binary, str | None):
        raise ValueError("a BulkDataURI or an InlineBinary is no string")
    # At most one of the three (PS3.18 F.2.2): of several the one that needs nothing else.
    if not values and binary is not None:
        found["InlineBinary"] = binary
    elif not values and uri is not None:
        found["BulkDataURI"] = uri
    return tag, found


def _value(vr: str, value: object, depth: int, left_out: list[str] | None) -> JsonValue:
    if vr == "SQ":
        return _data_set({} if value is None else value, depth + 1, left_out)
    if type(value) not in _VALUES:
        raise ValueError("a value is neither a text nor a number")
    return cast(JsonValue, value)
