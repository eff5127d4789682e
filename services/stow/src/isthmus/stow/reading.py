"""The metadata of instances out of JSON and XML, of which nothing is certain yet."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from isthmus.common.dicom.attributes import tags_of
from isthmus.common.dicom.element_reader import DEEPEST
from isthmus.common.dicom.part10 import Identity
from isthmus.common.errors import MalformedDataset
from isthmus.stow.image_pixels import Attributes

UIDS: Final = tags_of(["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
"""The tags of an instance's identity, in its order."""
LONGEST_UID: Final = 0xFFFE
"""Bytes of a value of VR UI."""


def objects(metadata: bytes) -> Iterator[Attributes]:
    """Read JSON object by object, so that only one of them is in memory in that form.

    Raises:
        MalformedDataset: it is neither an object nor an array of such; while iterating.
    """
    try:
        text = metadata.decode("utf-8-sig")
        # NaN is no JSON, but what pydicom writes: it becomes a text, which the VR may take or not.
        decoder = json.JSONDecoder(parse_constant=str)
        place = _over_space(text, 0)
        is_single = text[place : place + 1] == "{"
        if is_single:
            text, place = f"[{text}]", 0
        elif text[place : place + 1] != "[":
            raise MalformedDataset("The metadata are no objects of the DICOM JSON Model")
        ends_with = "["
        while ends_with != "]":
            place = _over_space(text, place + 1)
            if ends_with == "[" and text[place : place + 1] == "]":
                break
            found, place = decoder.raw_decode(text, place)
            if not isinstance(found, dict):
                raise MalformedDataset("The metadata are no objects of the DICOM JSON Model")
            yield found
            place = _over_space(text, place)
            ends_with = text[place : place + 1]
            if ends_with != "]" and (ends_with != "," or is_single):
                raise MalformedDataset("The metadata are no JSON")
        if text[place + 1 :].strip():
            raise MalformedDataset("Something follows the JSON of the metadata")
    except (ValueError, RecursionError):
        raise MalformedDataset("The metadata are no JSON") from None


def _over_space(text: str, place: int) -> int:
    while text[place : place + 1] in (" ", "\t", "\n", "\r"):
        place += 1
    return place


def referred(attributes: Attributes, depth: int = 0) -> Iterator[str]:
    """Give all BulkDataURIs of an instance, also those that are never looked for."""
    for element in attributes.values():
        if not isinstance(element, Mapping):
            continue
        uri, values = element.get("BulkDataURI"), element.get("Value")
        if isinstance(uri, str):
            yield uri
        for item in values if isinstance(values, list) and depth < DEEPEST else ():
            if isinstance(item, Mapping):
                yield from referred(item, depth + 1)


def identity_of(attributes: Attributes) -> Identity:
    """Read the UIDs of an instance; what is not there, or no one text of ASCII, is empty."""
    return Identity(*(_uid(attributes.get(tag, attributes.get(tag.lower()))) for tag in UIDS))


def _uid(element: object) -> str:
    values = element.get("Value") if isinstance(element, Mapping) else None
    first = values[0] if isinstance(values, list) and len(values) == 1 else None
    text = first.strip(" \0") if isinstance(first, str) and len(first) <= LONGEST_UID else ""
    return text if text.isascii() and text.isprintable() else ""


def broken_document(metadata: bytes) -> tuple[Identity, list[str]] | None:
    """Read of a document in which something is wrong the UIDs, and to what it refers.

    None where that cannot be read, or does not name an instance.
    """
    try:
        root = ElementTree.fromstring(metadata, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    values = {child.get("tag", ""): {"Value": [each.text for each in child][:1]} for child in root}
    identity = identity_of(values)
    if not identity.sop_instance_uid or not identity.sop_class_uid:
        return None
    bulkdata = (element for element in root.iter() if element.get("uri") or element.get("uuid"))
    return identity, [element.get("uri") or f"urn:uuid:{element.get('uuid')}" for element in bulkdata]
