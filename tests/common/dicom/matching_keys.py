"""Attributes and matching keys by their names."""

from isthmus.common.dicom.attributes import parse_path
from isthmus.common.dicom.json_model import DicomJson, JsonElement, JsonValue
from isthmus.common.dicom.matching import Matcher, MatchingKey


def attribute(name: str, *values: JsonValue) -> DicomJson:
    """A match that has this attribute."""
    (tag,) = parse_path(name, name)
    element: JsonElement = {"vr": "UN"}  # what an element says of its VR does not matter
    if values:
        element["Value"] = list(values)
    return {tag: element}


def key(name: str, *values: str) -> MatchingKey:
    return MatchingKey(parse_path(name, name), values)


def is_match(name: str, wanted: str, *stored: JsonValue) -> bool:
    return Matcher([key(name, wanted)]).matches(attribute(name, *stored))
