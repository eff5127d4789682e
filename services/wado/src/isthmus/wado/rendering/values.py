"""Values out of headers as they are in real archives: whatever cannot be read counts as not there."""

import math
from collections.abc import Sequence
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

UNREADABLE: Final = (
    AttributeError,
    KeyError,
    LookupError,
    NotImplementedError,
    OverflowError,
    TypeError,
    ValueError,
)
"""What pydicom raises when it converts a value that is none, as late as it is looked at."""


def element_of(ds: Dataset, keyword: str | BaseTag | int) -> DataElement | None:
    """Give an element, or nothing where it is not there, empty or unreadable."""
    try:
        if keyword not in ds:
            return None
        element = ds[keyword]
        return None if element.is_empty else element
    except UNREADABLE:
        return None


def numbers(ds: Dataset, keyword: str | BaseTag | int) -> tuple[float, ...]:
    """Give all finite numbers of an element, or none of them where one is no number."""
    element = element_of(ds, keyword)
    if element is None:
        return ()
    value = element.value
    try:
        found = tuple(
            float(one) for one in (value if isinstance(value, MultiValue | list | tuple) else (value,))
        )
    except UNREADABLE:
        return ()
    return found if all(map(math.isfinite, found)) else ()


def number(ds: Dataset, keyword: str | BaseTag | int) -> float | None:
    """Give the first number of an element."""
    return next(iter(numbers(ds, keyword)), None)


def text(ds: Dataset, keyword: str | BaseTag | int) -> str:
    """Give the first value of an element as text."""
    element = element_of(ds, keyword)
    if element is None:
        return ""
    value = element.value
    if isinstance(value, MultiValue | list | tuple):
        value = value[0]
    return str(value).strip(" \0")


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
        return tuple(
            int(one) for one in (value if isinstance(value, MultiValue | list | tuple) else (value,))
        )
    except UNREADABLE:
        return ()
