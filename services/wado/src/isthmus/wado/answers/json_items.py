"""Values and items of data sets in the DICOM JSON Model, whether they are there or not."""

from collections.abc import Iterator, Sequence

from isthmus.common.dicom.json_values import DicomJson, JsonValue


def values(attributes: DicomJson, tag: str) -> Sequence[JsonValue]:
    """Give the values of an element; none if there is no such element, or it is empty."""
    element = attributes.get(tag)
    return element.get("Value", []) if element is not None else []


def items(attributes: DicomJson, tag: str) -> Iterator[DicomJson]:
    """Give the items of a sequence; none if there is no such sequence."""
    for item in values(attributes, tag):
        if isinstance(item, dict) and attributes[tag]["vr"] == "SQ":
            yield item


def integers(attributes: DicomJson, tag: str) -> tuple[int, ...]:
    """Give those values of an element that are integers."""
    return tuple(value for value in values(attributes, tag) if isinstance(value, int))
