"""Data sets in the DICOM JSON Model (PS3.18 Annex F), whatever values they hold.

A value that its VR forbids, or that JSON has no form for, is left out and named; a text that is merely not
what its VR allows stays a text. The JSON is UTF-8, and its Specific Character Set says so.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO, Final

from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as PydicomSequence

from isthmus.common.dicom.bulk import BulkPart, BulkPath, BulkValue, Piece, bulk_of, parse_bulk_path
from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.element_reader import (
    DEEPEST,
    UNDEFINED,
    BrokenDataset,
    ElementReader,
    Encoding,
    Header,
)
from isthmus.common.dicom.json_values import (
    DicomJson,
    JsonElement,
    JsonValue,
    decode_text,
    from_binary,
    from_bytes,
    from_numbers,
    from_text,
)
from isthmus.common.dicom.value_representations import Scope
from isthmus.common.dicom.vrs import BINARY_VRS, BULK_VRS, PIXEL_DATA, TEXT_VRS

__all__ = [
    "BulkPart",
    "BulkPath",
    "BulkValue",
    "DicomJson",
    "JsonElement",
    "JsonValue",
    "Piece",
    "bulk_of",
    "dataset_to_json",
    "metadata_of",
    "parse_bulk_path",
]

BULK_THRESHOLD: Final = 1024
"""A value of more bytes is only referred to."""
_LONGEST_VALUE: Final = 1024 * 1024
"""A value that must be inline and is longer is left out, so that a length that is wrong costs no memory."""

_CHARACTER_SET: Final = 0x00080005
_TRAILING_PADDING: Final = 0xFFFCFFFC


def dataset_to_json(ds: Dataset, *, bulk_prefix: str | None = None) -> tuple[DicomJson, list[str]]:
    """Describe a data set that pydicom has read or that was made with it.

    Args:
        ds: The data set; its elements are not changed, and decoded only where pydicom has done so.
        bulk_prefix: The URL below which long values can be fetched; None to have all of them inline.

    Returns:
        The description, and the paths of the elements that had to be left out.
    """
    writer = JsonWriter(bulk_prefix)
    return writer.dataset(ds), writer.left_out


def metadata_of(source: BinaryIO, bulk_prefix: str) -> tuple[DicomJson, list[str]]:
    """Describe an instance without reading its pixel data (PS3.18 10.4.1.1.2).

    What is there of a truncated instance is described; `bulk_of` finds what is referred to.

    Args:
        source: A seekable file of a Part 10 instance.
        bulk_prefix: The URL below which values of more than 1 KiB, and all pixel data, can be fetched.

    Returns:
        The description, and the paths of the elements that had to be left out.

    Raises:
        MalformedDataset: it is no such file, or not one of its elements can be read.
    """
    dataset = open_dataset(source)
    writer = JsonWriter(bulk_prefix)
    found = writer.read(dataset.reader, dataset.encoding)
    if not found:
        raise BrokenDataset("The data set has no element that can be read")
    return found, writer.left_out


class JsonWriter:
    """Describes one data set, and collects what had to be left out."""

    def __init__(self, bulk_prefix: str | None) -> None:
        """Begin.

        Args:
            bulk_prefix: The URL below which long values can be fetched; None to have all of them inline.
        """
        self.left_out: list[str] = []
        self._bulk_prefix = bulk_prefix
        self._beyond_ascii = False

    def dataset(self, ds: Dataset) -> DicomJson:
        """Describe a data set of pydicom."""
        return self._root(self._from_pydicom(ds, Scope(), ""))

    def read(self, reader: ElementReader, encoding: Encoding) -> DicomJson:
        """Describe a data set while it is read, as far as it can be read."""
        found: DicomJson = {}
        # The element in which it breaks off is among those left out.
        with suppress(BrokenDataset):
            self._read_into(found, reader, None, encoding, Scope(), "")
        return self._root(found)

    def _root(self, found: DicomJson) -> DicomJson:
        if self._beyond_ascii:
            found["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        return dict(sorted(found.items()))

    def _read_into(
        self,
        found: DicomJson,
        reader: ElementReader,
        end: int | None,
        encoding: Encoding,
        scope: Scope,
        parent: str,
    ) -> None:
        for header in reader.elements(end, encoding, outermost=not parent):
            if not _is_described(header.tag):
                continue
            path = f"{parent}{header.tag:08X}"
            try:
                found[f"{header.tag:08X}"] = self._read_element(reader, header, scope, path)
            except ValueError:
                self.left_out.append(path)
            except BrokenDataset:
                self.left_out.append(path)
                if header.end is None or reader.position > header.end:
                    raise

    def _read_element(self, reader: ElementReader, header: Header, scope: Scope, path: str) -> JsonElement:
        vr = scope.vr_of(header.tag, header.vr, undefined_length=header.length == UNDEFINED)
        if vr == "SQ":
            return _sequence(list(self._read_items(reader, header, scope, path)))
        if self._is_bulk(header.tag, vr, header.length):
            return self._reference(vr, path)
        if self._bulk_prefix is not None and header.length > _LONGEST_VALUE:
            raise ValueError("too long")
        return self._from_value(header, vr, reader.read(header.length), scope)

    def _read_items(
        self, reader: ElementReader, header: Header, scope: Scope, path: str
    ) -> Iterator[DicomJson]:
        if path.count("/") >= 2 * DEEPEST:
            raise BrokenDataset("Its sequences are too deep")
        for number, (end, encoding) in enumerate(reader.items(header), 1):
            item: DicomJson = {}
            self._read_into(item, reader, end, encoding, scope.nested(), f"{path}/{number}/")
            yield dict(sorted(item.items()))

    def _from_pydicom(self, ds: Dataset, scope: Scope, parent: str) -> DicomJson:
        found: DicomJson = {}
        for tag in sorted(ds.keys()):
            if _is_described(tag):
                path = f"{parent}{tag:08X}"
                element = ds.get_item(tag)
                try:
                    if isinstance(element, RawDataElement):
                        found[f"{tag:08X}"] = self._from_raw(element, scope, path)
                    else:
                        found[f"{tag:08X}"] = self._from_decoded(element, scope, path)
                except (ValueError, BrokenDataset):
                    self.left_out.append(path)
        return found

    def _from_raw(self, element: RawDataElement, scope: Scope, path: str) -> JsonElement:
        value = element.value or b""
        encoding = Encoding(element.is_implicit_VR, element.is_little_endian)
        header = Header(element.tag, element.VR, len(value), 0, encoding)
        return self._read_element(ElementReader(BytesIO(value)), header, scope, path)

    def _from_decoded(self, element: DataElement, scope: Scope, path: str) -> JsonElement:
        vr = scope.vr_of(element.tag, element.VR)
        value: object = element.value
        if vr == "SQ":
            items = enumerate(value if isinstance(value, PydicomSequence) else (), 1)
            return _sequence(
                [self._from_pydicom(item, scope.nested(), f"{path}/{number}/") for number, item in items]
            )
        if isinstance(value, bytes):
            if self._is_bulk(element.tag, vr, len(value)):
                return self._reference(vr, path)
            return self._described(element.tag, from_binary(vr, value), scope)
        values = value if isinstance(value, MultiValue | list) else () if value is None else (value,)
        if vr in TEXT_VRS:
            text = "\\".join(map(str, values))
            if self._is_bulk(element.tag, vr, len(text)):
                return self._reference(vr, path)
            return self._described(element.tag, from_text(vr, text), scope, text)
        if values and vr in BINARY_VRS:
            raise ValueError("no bytes")
        return self._described(element.tag, from_numbers(vr, [_number(one) for one in values]), scope)

    def _from_value(self, header: Header, vr: str, value: bytes, scope: Scope) -> JsonElement:
        if vr in TEXT_VRS:
            text = decode_text(vr, value, scope.character_set)
            return self._described(header.tag, from_text(vr, text), scope, text)
        # UN is always in little endian (PS3.5 6.2.2).
        little_endian = header.encoding.little_endian or header.vr == "UN"
        return self._described(header.tag, from_bytes(vr, value, little_endian=little_endian), scope)

    def _described(self, tag: int, element: JsonElement, scope: Scope, text: str = "") -> JsonElement:
        self._beyond_ascii = self._beyond_ascii or not text.isascii()
        values = element.get("Value")
        scope.note(tag, values[0] if values else None)
        return {"vr": "CS", "Value": ["ISO_IR 192"]} if tag == _CHARACTER_SET else element

    def _is_bulk(self, tag: int, vr: str, length: int) -> bool:
        if self._bulk_prefix is None or not length:
            return False
        return tag in PIXEL_DATA or (length > BULK_THRESHOLD and vr in BULK_VRS)

    def _reference(self, vr: str, path: str) -> JsonElement:
        return {"vr": vr, "BulkDataURI": f"{self._bulk_prefix}/{path}"}


def _is_described(tag: int) -> bool:
    """Leave out what is about the encoding: group lengths, file meta information, padding (PS3.18 F.2.2)."""
    return bool(tag & 0xFFFF) and tag >> 16 not in (0x0000, 0x0002, 0xFFFE) and tag != _TRAILING_PADDING


def _sequence(items: Sequence[DicomJson]) -> JsonElement:
    return {"vr": "SQ", "Value": list(items)} if items else {"vr": "SQ"}


def _number(value: object) -> int | float:
    if not isinstance(value, int | float):
        raise ValueError("no number")
    return value
