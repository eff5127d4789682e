"""Values out of headers as they are in real archives: whatever cannot be read counts as not there."""

import math
import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from pydicom import dcmread
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from isthmus.common.dicom.character_sets import CharacterSet
from isthmus.common.pixels.errors import NoPixels

UNREADABLE: Final = (
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
    struct.error,
)
"""What pydicom raises when it converts a value that is none, as late as it is looked at."""


def header_of(file: bytes) -> Dataset:
    """Read a Part 10 file without pixels.

    Raises:
        NoPixels: it cannot be read, and so says nothing of any.
    """
    try:
        return dcmread(BytesIO(file), force=True)
    except UNREADABLE as error:
        raise NoPixels("The header cannot be read") from error


def element_of(ds: Dataset, keyword: str | BaseTag | int) -> DataElement | None:
    """Give an element, or nothing where it is not there, empty or unreadable."""
    try:
        if keyword not in ds:
            return None
        element = ds[keyword]
        return None if element.is_empty else element
    except UNREADABLE:
        return None


def values(ds: Dataset, keyword: str | BaseTag | int) -> Sequence[object]:
    """Give all values of an element."""
    element = element_of(ds, keyword)
    if element is None:
        return ()
    return element.value if isinstance(element.value, MultiValue | list | tuple) else (element.value,)


def numbers(ds: Dataset, keyword: str | BaseTag | int) -> tuple[float, ...]:
    """Give all finite numbers of an element, or none of them where one is no number."""
    try:
        found = tuple(float(str(value)) for value in values(ds, keyword))
    except UNREADABLE:
        return ()
    return found if all(map(math.isfinite, found)) else ()


def number(ds: Dataset, keyword: str | BaseTag | int) -> float | None:
    """Give the first number of an element."""
    return next(iter(numbers(ds, keyword)), None)


def texts(ds: Dataset, keyword: str | BaseTag | int) -> list[str]:
    """Give all values of an element as text."""
    return [str(value).strip(" \0") for value in values(ds, keyword)]


def text(ds: Dataset, keyword: str | BaseTag | int) -> str:
    """Give the first value of an element as text."""
    return next(iter(texts(ds, keyword)), "")


def free_text(ds: Dataset, keyword: str, character_set: CharacterSet) -> str:
    """Give what a person wrote, in whatever characters (PS3.5 6.1.2)."""
    tag = Tag(keyword)
    element = ds.get_item(tag) if tag in ds else None
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        return character_set.decode(element.value, element.VR or "LO").strip(" \0")
    return "\\".join(texts(ds, tag))


def character_set_of(ds: Dataset) -> CharacterSet:
    """Tell in which characters a data set and its items are written."""
    return CharacterSet.of(text(ds, "SpecificCharacterSet"))


def items(ds: Dataset, keyword: str) -> Sequence[Dataset]:
    """Give the items of a sequence."""
    element = element_of(ds, keyword)
    if element is None or element.VR != "SQ":
        return ()
    return tuple(element.value)


def words(ds: Dataset, keyword: str | BaseTag | int) -> bytes | tuple[int, ...]:
    """Give a table: the bytes as they are (OB, OW, UN) or the numbers (US, SS)."""
    element = element_of(ds, keyword)
    if element is None:
        return ()
    value = element.value
    if isinstance(value, bytes):
        return value
    try:
        return tuple(int(str(one)) for one in values(ds, keyword))
    except UNREADABLE:
        return ()
