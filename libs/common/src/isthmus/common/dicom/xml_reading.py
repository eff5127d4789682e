"""Reading documents of the Native DICOM Model (PS3.19 A.1.6), whoever wrote them."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar
from xml.etree.ElementTree import Element, ParseError  # the types; defusedxml does the parsing

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from isthmus.common.dicom.attributes import vr_of
from isthmus.common.dicom.element_reader import DEEPEST
from isthmus.common.dicom.json_values import DicomJson, JsonElement, JsonValue
from isthmus.common.dicom.vrs import BINARY_VRS, KNOWN_VRS
from isthmus.common.errors import MalformedDataset

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

_TAG: Final = re.compile(r"[0-9A-F]{8}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[Ee][+-]?\d+)?", re.ASCII)
_INTEGERS: Final = frozenset(("SL", "SS", "SV", "UL", "US", "UV"))
_MOST_LEFT_OUT: Final = 1024
"""Values of an element that need no XML element, being empty."""
_FIRST_BLOCK, _LAST_BLOCK = 0x10, 0xFF

V = TypeVar("V")


def parse_native_model(data: bytes) -> DicomJson:
    """Read a document, with or without the namespace.

    DS and IS values stay the texts that they are (PS3.18 F.2.3.1), so that nothing of them is lost. A private
    element gets the block of its creator's element, or where there is none the first one that is free, and
    such an element with it.

    Raises:
        MalformedDataset: It is no such document; says what is wrong where, and never with which value.
    """
    try:
        root = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise MalformedDataset("It is no XML document that can be read") from error
    if _name(root) != "NativeDicomModel":
        raise MalformedDataset("The root of the XML document is not NativeDicomModel")
    return _data_set(root, 0)


def _data_set(parent: Element, depth: int) -> DicomJson:
    if depth > DEEPEST:
        raise MalformedDataset("The sequences of the XML document are too deep")
    children = [child for child in parent if _name(child) == "DicomAttribute"]
    blocks = _Blocks(children)
    found: DicomJson = {}
    for child in children:
        tag = blocks.tag_of(child)
        if tag in found:
            raise MalformedDataset(f"The element {tag} is there more than once")
        if not tag.endswith("0000"):  # a group length (PS3.19 A.1.1)
            found[tag] = _element(child, tag, depth)
    for tag, creator in blocks.added.items():
        found.setdefault(tag, {"vr": "LO", "Value": [creator]})
    return dict(sorted(found.items()))


def _element(attribute: Element, tag: str, depth: int) -> JsonElement:
    vr = attribute.get("vr") or vr_of(tag)
    if vr not in KNOWN_VRS:
        raise MalformedDataset(f"The VR of the element {tag} is none")
    by_name: dict[str, list[Element]] = {}
    for child in attribute:
        by_name.setdefault(_name(child), []).append(child)
    if bulk := by_name.get("BulkData"):
        return {"vr": vr, "BulkDataURI": _uri(bulk[0], tag)}
    if inline := by_name.get("InlineBinary"):
        return _binary(vr, inline[0], tag)
    if vr == "SQ":
        values = _in_order(by_name.get("Item", ()), tag, lambda item: _data_set(item, depth + 1), {})
    elif vr == "PN":
        values = _in_order(by_name.get("PersonName", ()), tag, _person_name, None)
    else:
        values = _in_order(by_name.get("Value", ()), tag, lambda value: _value(vr, value, tag), None)
    if values and vr in BINARY_VRS:
        raise MalformedDataset(f"The value of the element {tag} is not binary")
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _uri(bulk: Element, tag: str) -> str:
    uuid = bulk.get("uuid")
    uri = bulk.get("uri") or bulk.get("URI") or (f"urn:uuid:{uuid}" if uuid else None)
    if uri is None:
        raise MalformedDataset(f"The BulkData of the element {tag} has no uri")
    return uri


def _binary(vr: str, inline: Element, tag: str) -> JsonElement:
    text = "".join((inline.text or "").split())
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedDataset(f"The InlineBinary of the element {tag} is not in base64") from error
    return {"vr": vr, "InlineBinary": text} if text else {"vr": vr}


def _in_order(
    children: Sequence[Element], tag: str, read: Callable[[Element], JsonValue], empty: JsonValue
) -> list[JsonValue]:
    """Read values into the places that their numbers give them."""
    found: dict[int, JsonValue] = {}
    for place, child in enumerate(children, 1):
        number = child.get("number", str(place))
        if not _NUMBER.fullmatch(number) or int(number) in found:
            raise MalformedDataset(f"The numbers of the values of the element {tag} are none")
        found[int(number)] = read(child)
    last = max(found, default=0)
    if last > len(found) + _MOST_LEFT_OUT:
        raise MalformedDataset(f"The numbers of the values of the element {tag} have gaps")
    return [found.get(number, empty) for number in range(1, last + 1)]


def _person_name(element: Element) -> JsonValue:
    groups = {_name(group): _components(group) for group in element if _name(group) in GROUPS}
    return {name: groups[name] for name in GROUPS if groups.get(name)} or None


def _components(group: Element) -> str:
    texts = {_name(component): component.text or "" for component in group}
    return "^".join(texts.get(name, "") for name in COMPONENTS).rstrip("^")


def _value(vr: str, element: Element, tag: str) -> JsonValue:
    text = element.text or ""
    if vr in _INTEGERS or vr in {"FL", "FD"}:
        return _number(vr, text.strip(), tag)
    if vr == "AT":
        if not _TAG.fullmatch(text.strip().upper()):
            raise MalformedDataset(f"A value of the element {tag} is no tag")
        return text.strip().upper()
    if vr in {"DS", "IS"} and text.strip() and not _DECIMAL.fullmatch(text.strip()):
        raise MalformedDataset(f"A value of the element {tag} is no number")
    return text or None


def _number(vr: str, text: str, tag: str) -> int | float | None:
    if not text:
        return None
    if vr in _INTEGERS and _INTEGER.fullmatch(text):
        return int(text)
    if vr not in _INTEGERS and _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    raise MalformedDataset(f"A value of the element {tag} is no number")


class _Blocks:
    """The private blocks of one data set (PS3.5 7.8.1): who has reserved which."""

    def __init__(self, attributes: Sequence[Element]) -> None:
        self.added: dict[str, str] = {}
        """The creators' elements that are not there, by their tags."""
        self._creators = dict(_creators(attributes))

    def tag_of(self, attribute: Element) -> str:
        """Give the whole tag of an element."""
        tag = attribute.get("tag", "").upper()
        if not _TAG.fullmatch(tag):
            raise MalformedDataset("A DicomAttribute has no tag of 8 hexadecimal digits")
        creator = attribute.get("privateCreator")
        if not creator or not int(tag[:4], 16) % 2:
            return tag
        if tag[4:6] == "00":
            return tag[:4] + self._block(tag[:4], creator) + tag[6:]
        self._reserve(f"{tag[:4]}00{tag[4:6]}", creator)
        return tag

    def _block(self, group: str, creator: str) -> str:
        for block in range(_FIRST_BLOCK, _LAST_BLOCK + 1):
            reserved_by = self._creators.get(f"{group}00{block:02X}")
            if reserved_by == creator:
                return f"{block:02X}"
        for block in range(_FIRST_BLOCK, _LAST_BLOCK + 1):
            if self._reserve(f"{group}00{block:02X}", creator):
                return f"{block:02X}"
        raise MalformedDataset(f"The private group {group} has too many creators")

    def _reserve(self, tag: str, creator: str) -> bool:
        if tag in self._creators:
            return False
        self._creators[tag] = self.added[tag] = creator
        return True


def _creators(attributes: Sequence[Element]) -> Iterator[tuple[str, str]]:
    for attribute in attributes:
        tag = attribute.get("tag", "").upper()
        if _TAG.fullmatch(tag) and not attribute.get("privateCreator") and int(tag[:4], 16) % 2:
            texts = [child.text or "" for child in attribute if _name(child) == "Value"]
            if tag[4:6] == "00" and int(tag[6:], 16) >= _FIRST_BLOCK:
                yield tag, texts[0] if texts else ""


def _name(element: Element) -> str:
    # Comments and processing instructions have a function for a tag.
    tag: object = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
