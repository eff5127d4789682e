"""What an origin holds, as pydicom reads it from the files: what the tests of the standard expect."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pydicom
from pydicom.config import disable_value_validation

UNIQUE: Final = {
    "studies": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "instances": "SOPInstanceUID",
}
"""The unique key of each level, by the name of its resources."""

Where = Callable[[pydicom.Dataset], bool]


def everything(_: pydicom.Dataset) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Archive:
    """The instances below a root of the gateway."""

    root: str
    """The path of its resources."""
    instances: Sequence[pydicom.Dataset] = field(repr=False)
    """Without pixel data; only those that a URL can name."""
    silent: frozenset[str] = frozenset()
    """The attributes that the origin neither matches nor gives."""

    def uids(self, level: str, where: Where = everything) -> set[str]:
        """The UIDs of what has an instance of which something is true."""
        return {text(ds, UNIQUE[level]) for ds in self.instances if where(ds)}

    def where(self, **attributes: str) -> "Archive":
        """The part of it in which attributes have these values."""
        found = [
            ds for ds in self.instances if all(text(ds, name) == value for name, value in attributes.items())
        ]
        return Archive(self.root, found, self.silent)

    def texts(self, keyword: str) -> set[str]:
        """The values of an attribute, empty where one is not there."""
        return {text(ds, keyword) for ds in self.instances}

    def path(self, level: str = "instances") -> str:
        """The resource of its first instance, or of the study or series of that."""
        ds, path = self.instances[0], self.root
        for each, keyword in UNIQUE.items():
            path += f"/{each}/{text(ds, keyword)}"
            if each == level:
                break
        return path


def text(ds: pydicom.Dataset, keyword: str) -> str:
    """The first value of an attribute as it is written, without padding; empty if it has none."""
    value = ds.get(keyword)
    if value is not None and not isinstance(value, str) and isinstance(value, Sequence):
        value = value[0] if value else None
    return "" if value is None else str(value).strip(" \0")


def headers(files: Iterable[Path]) -> list[pydicom.Dataset]:
    """Read files, whatever rules they break, without their pixel data."""
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        found = [_header(file) for file in files]
    return [ds for ds in found if all(text(ds, keyword) for keyword in UNIQUE.values())]


def _header(file: Path) -> pydicom.Dataset:
    ds = pydicom.dcmread(file, force=True, stop_before_pixels=True)
    for _ in ds.iterall():
        pass  # read each value now: later it would warn again
    return ds
