"""The matching keys of an Identifier as a person writes them, for the audit."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

LONGEST: Final = 8192
"""Characters; who makes a longer query is not told of all of it."""
_MOST: Final = 1_000
"""Elements that are looked at."""


def identifier_text(data: Dataset) -> str:
    """Write the keys that have a value: `PatientID=P-17&StudyDate=20240501-`."""
    return "&".join(_keys(data))[:LONGEST]


def patient_ids(data: Dataset) -> tuple[str, ...]:
    """Give the Patient IDs that are asked for, if they are no patterns."""
    try:
        value = str(data.get("PatientID") or "").strip()
    except Exception:  # noqa: BLE001 - as below
        return ()
    return () if not value or {"*", "?"} & {*value} else tuple(value.split("\\"))


def _keys(data: Dataset, within: str = "") -> Iterator[str]:
    for tag in islice(data.keys(), _MOST):
        with suppress(Exception):  # a value is read only now, and pydicom raises anything
            yield from _key(data[tag], within)


def _key(element: DataElement, within: str) -> Iterator[str]:
    name = f"{within}{element.keyword or element.tag}"
    if element.VR == "SQ":
        for item in element.value:
            yield from _keys(item, f"{name}.")
        return
    value = element.value
    text = "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value or "")
    if text:
        yield f"{name}={text}"
