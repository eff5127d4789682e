"""What is transferred: synthetic CT as scanners send it, made anew for each run."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import pydicom

from tests.data_sets import Identity, identity, make_series

_AIR: Final = 24
_SLOPE: Final = 4


@dataclass(frozen=True)
class Study:
    """A study of one series, as files in the order of their Instance Numbers."""

    files: tuple[Path, ...]

    @cached_property
    def first(self) -> Identity:
        """The UIDs of the first instance."""
        return identity(self.files[0])

    @property
    def uid(self) -> str:
        """Study Instance UID."""
        return self.first.study_instance_uid

    @property
    def path(self) -> str:
        """Of the study below a DICOMweb base URL."""
        return f"/studies/{self.uid}"

    @property
    def series_path(self) -> str:
        """Of its series."""
        return f"{self.path}/series/{self.first.series_instance_uid}"

    @cached_property
    def uids(self) -> tuple[str, ...]:
        """The SOP Instance UIDs, in the order of the files."""
        return tuple(identity(file).sop_instance_uid for file in self.files)

    @cached_property
    def sop_class_uid(self) -> str:
        """SOP Class UID of its instances."""
        ds = pydicom.dcmread(self.files[0], stop_before_pixels=True)
        return str(ds.SOPClassUID)

    @cached_property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files)


def ct_study(directory: Path, instances: int, *, seed: int, rows: int = 512) -> Study:
    """Make CT images, square, of 16 bits: smooth along their lines, with noise in the lowest bits."""
    files = make_series(directory, instances, rows=rows, columns=rows, seed=seed)
    for file, pixels in zip(files, ct_pixels(rows, seed), strict=False):
        with file.open("r+b") as image:
            image.seek(-len(pixels), 2)  # Pixel Data (7FE0,0010) is the last element
            image.write(pixels)
    return Study(tuple(files))


def ct_pixels(rows: int, seed: int) -> Iterator[bytes]:
    """Give the pixels of images without end, no two alike, each of 2 * rows * rows bytes."""
    noise = random.Random(seed)
    spread = [
        (_AIR + _SLOPE * min(x, rows - x) + noise.getrandbits(5)).to_bytes(2, "little")
        for x in (*range(rows), *range(rows), *range(rows), *range(rows))
    ]
    lines = [b"".join(spread[at : at + rows]) for at in range(0, 3 * rows, max(rows // 64, 1))]
    while True:
        yield b"".join(noise.choices(lines, k=rows))
