"""The Identifier of a C-FIND request, from its bytes (PS3.4 C.4.1.1.3.1): what is to match and to be told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from pydicom.uid import ImplicitVRLittleEndian

from isthmus.common.dicom.attributes import AttributePath, is_private, keyword_of, tag_of, tags_of
from isthmus.common.dicom.element_reader import (
    DEEPEST,
    UNDEFINED,
    BrokenDataset,
    ElementReader,
    Encoding,
    Header,
)
from isthmus.common.dicom.json_values import decode_text, from_bytes
from isthmus.common.dicom.matching import WILDCARD_VRS, MatchingKey
from isthmus.common.dicom.search_attributes import NOT_SEARCHED
from isthmus.common.dicom.statuses import DATA_SET_MISMATCH, UNABLE_TO_PROCESS
from isthmus.common.dicom.temporal import split_range
from isthmus.common.dicom.value_representations import Scope
from isthmus.common.dicom.values import NOT_MATCHED, check_matching_value
from isthmus.common.dicom.vrs import SINGLE_VALUED, TEXT_VRS
from isthmus.common.dicom.worklist import START_DATE, START_TIME, range_of
from isthmus.common.errors import InvalidParameter
from isthmus.scp.normalized import Refused

MOST_ATTRIBUTES: Final = 1_000
"""Of one Identifier, those in sequences among them."""
OF_ANY_LEVEL: Final = frozenset(tags_of(("RetrieveAETitle", "InstanceAvailability")))
"""What is told of every entity, and not searched by."""
_LONGEST_VALUE: Final = 1024 * 1024
_CHARACTER_SET: Final = tag_of("SpecificCharacterSet")
_LEVEL: Final = tag_of("QueryRetrieveLevel")
_RANGED: Final = frozenset({"DA", "TM", "DT", "AS"})


@dataclass(frozen=True, slots=True)
class FindIdentifier:
    """What a C-FIND asks for."""

    level: str
    """Query/Retrieve Level (0008,0052) as it came; empty where there is none, as in a worklist."""
    character_set: str
    """Specific Character Set (0008,0005) as it came; empty where there is none."""
    keys: tuple[MatchingKey, ...]
    """What is to match; without those that match everything."""
    asked: Mapping[AttributePath, str]
    """What a response is to tell, keys with a value among it, each with its VR, in the order of the request.

    A sequence alone stands for all that is in its items.
    """
    unsupported: bool
    """Whether a key is among it that nobody can match or tell: responses are FF01 then (PS3.4 C.4.1.1.4)."""


@dataclass(slots=True)
class _Found:
    keys: list[MatchingKey] = field(default_factory=list)
    asked: dict[AttributePath, str] = field(default_factory=dict)
    unsupported: bool = False
    level: str = ""
    character_set: str = ""
    attributes: int = 0
    end: int = 0
    """Where the last element ended."""


def read_identifier(data: bytes, transfer_syntax_uid: str) -> FindIdentifier:
    """Read an Identifier.

    Args:
        data: as it came.
        transfer_syntax_uid: of its presentation context; Explicit or Implicit VR Little Endian.

    Raises:
        Refused: C000, it is no data set; A900, a key has a value that its VR does not allow.
    """
    source = BytesIO(data)
    encoding = Encoding(implicit=transfer_syntax_uid == ImplicitVRLittleEndian, little_endian=True)
    reader = ElementReader(source)
    found = _Found()
    try:
        _read(reader, None, encoding, Scope(), (), found)
        if data[found.end :].strip(b"\0"):
            raise BrokenDataset("Something is behind its last element")
    except BrokenDataset:
        raise Refused(UNABLE_TO_PROCESS, "The Identifier cannot be read") from None
    except InvalidParameter as error:
        raise Refused(DATA_SET_MISMATCH, error.detail) from None
    return FindIdentifier(found.level, found.character_set, tuple(found.keys), found.asked, found.unsupported)


def _read(
    reader: ElementReader,
    end: int | None,
    encoding: Encoding,
    scope: Scope,
    parents: AttributePath,
    found: _Found,
) -> None:
    last = 0
    for header in reader.elements(end, encoding, outermost=not parents):
        if header.tag <= last:
            raise BrokenDataset("Its elements are not in order")
        last = header.tag
        found.attributes += 1
        if found.attributes > MOST_ATTRIBUTES:
            raise Refused(DATA_SET_MISMATCH, f"The Identifier has more than {MOST_ATTRIBUTES} attributes")
        if header.tag & 0xFFFF == 0:
            found.end = header.position + header.length
            continue  # a group length, as systems before 2008 write it
        if header.tag >> 16 in (0x0000, 0x0002):
            raise BrokenDataset("A command or file meta information is in it")
        vr = scope.vr_of(header.tag, header.vr, undefined_length=header.length == UNDEFINED)
        path = (*parents, f"{header.tag:08X}")
        if vr == "SQ":
            _read_sequence(reader, header, scope, path, found)
        else:
            _read_key(reader, header, vr, scope, path, found)
        found.end = reader.position


def _read_sequence(
    reader: ElementReader, header: Header, scope: Scope, path: AttributePath, found: _Found
) -> None:
    """Read what is asked of the items of a sequence: its only item says it (PS3.4 C.2.2.2.6)."""
    if len(path) > DEEPEST:
        raise BrokenDataset("Its sequences are too deep")
    before = len(found.asked)
    for number, (end, encoding) in enumerate(reader.items(header)):
        if number:
            raise Refused(DATA_SET_MISMATCH, f"{_name(path)}: a key has one item at most")
        _read(reader, end, encoding, scope.nested(), path, found)
    if len(found.asked) == before:
        _ask(found, path, "SQ")


def _read_key(
    reader: ElementReader, header: Header, vr: str, scope: Scope, path: AttributePath, found: _Found
) -> None:
    if header.length > _LONGEST_VALUE:
        raise BrokenDataset("A value is too long")
    raw = reader.read(header.length)
    values = list(_values(raw, vr, scope))
    if Scope.depends_on(header.tag):
        scope.note(header.tag, _number_or_text(vr, raw, values))
    tag = path[-1]
    if len(path) == 1 and tag == _LEVEL:
        found.level = values[0] if values else ""
    elif len(path) == 1 and tag == _CHARACTER_SET:
        found.character_set = "\\".join(_split(raw.decode("ascii", "replace")))
    elif tag in NOT_SEARCHED:
        if tag in OF_ANY_LEVEL:
            found.asked[path] = vr
    elif values and not _matches_all(vr, values):
        _match(found, path, vr, values)
    else:
        _ask(found, path, vr)


def _match(found: _Found, path: AttributePath, vr: str, values: list[str]) -> None:
    _ask(found, path, vr)
    if vr in NOT_MATCHED or is_private(path):
        found.unsupported = True
        return
    in_worklist = path == START_TIME and not found.level
    dates = range_of(found.keys, START_DATE) if in_worklist else None
    for value in values:
        # Over several dates a time may end before it begins: at night (PS3.4 Table K.6-1).
        parts = split_range(value, vr) if dates else None
        for part in parts or (value,):
            check_matching_value(path[-1], part, _name(path))
    found.keys.append(MatchingKey(path, tuple(values)))


def _ask(found: _Found, path: AttributePath, vr: str) -> None:
    if is_private(path):
        found.unsupported = True
    found.asked[path] = vr


def _values(raw: bytes, vr: str, scope: Scope) -> Iterator[str]:
    """Give the values of a key that are not empty, as a `MatchingKey` has them."""
    if vr in TEXT_VRS:
        text = decode_text(vr, raw, scope.character_set)
        for value in [text] if vr in SINGLE_VALUED else text.split("\\"):
            stripped = value.strip(" \0") if vr != "PN" else value.rstrip(" \0")
            if stripped:
                yield stripped
        return
    try:
        element = from_bytes(vr, raw, little_endian=True)
    except ValueError:
        raise BrokenDataset("A number has a length that it cannot have") from None
    if "InlineBinary" in element:
        yield element["InlineBinary"]
    for number in element.get("Value", ()):
        yield str(number)


def _number_or_text(vr: str, raw: bytes, values: list[str]) -> str | int | None:
    if vr in ("US", "SS"):
        return int.from_bytes(raw[:2], "little")
    if vr == "CS":
        # The first value of Specific Character Set may be the empty one.
        return raw.decode("ascii", "replace").split("\\", maxsplit=1)[0].strip(" \0")
    return values[0] if values else None


def _split(text: str) -> list[str]:
    parts = [part.strip(" \0") for part in text.split("\\")]
    return parts if any(parts) else []


def _matches_all(vr: str, values: list[str]) -> bool:
    """Tell whether a key matches everything (PS3.4 C.2.2.2.3); `*` is taken so in any VR."""
    if vr in WILDCARD_VRS and any(not value.strip("*") for value in values):
        return True
    return any(value == "*" or (vr in _RANGED and value == "-") for value in values)


def _name(path: AttributePath) -> str:
    """Name an attribute, not where it is: an Error Comment has 64 characters, what is wrong among them."""
    return keyword_of(path[-1]) or path[-1]
