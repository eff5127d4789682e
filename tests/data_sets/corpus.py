"""The files that come with pydicom: old and new, good and bad, in twelve transfer syntaxes."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

import pydicom

from tests.data_sets.part10 import identity, with_sop_instance_uid

_FOLDERS: Final = ("charset_files", "test_files")


def pydicom_files() -> list[Path]:
    """Every file of pydicom's wheel that holds an instance, always in the same order.

    That is every one in which a SOP Instance UID can be read, with File Meta Information or without. Not all
    of them are ones that a PACS takes: some are truncated, some have no Study Instance UID. And many share
    their UIDs with others, so a PACS keeps fewer than it accepts; see `distinct_files`.
    """
    return list(_with_instances())


@cache  # a dozen modules of tests ask while they are collected, in each process of the run
def _with_instances() -> tuple[Path, ...]:
    data = Path(pydicom.__file__).parent / "data"
    files = sorted(file for folder in _FOLDERS for file in (data / folder).rglob("*") if file.is_file())
    return tuple(file for file in files if file.suffix in _SUFFIXES and identity(file).sop_instance_uid)


_SUFFIXES: Final = frozenset({"", ".dcm"})


def distinct_files(directory: Path) -> list[Path]:
    """The same files, with each instance told apart from all others, so that a PACS keeps every one.

    The first file of an instance is as it is; further files with the same Patient ID and UIDs are copied, and
    their SOP Instance UIDs get `.2`, `.3`... at the end. Where a UID had 64 characters already it is then
    over-long, as UIDs in real archives are.

    Args:
        directory: takes the copies.
    """
    directory.mkdir(parents=True, exist_ok=True)
    seen: Counter[tuple[str, ...]] = Counter()
    distinct = []
    for file in pydicom_files():
        who = identity(file)
        seen[who] += 1
        if seen[who] > 1:
            copy = directory / f"{file.stem}.{seen[who]}{file.suffix}"
            copy.write_bytes(with_sop_instance_uid(file.read_bytes(), f"{who.sop_instance_uid}.{seen[who]}"))
            distinct.append(copy)
        else:
            distinct.append(file)
    return distinct
