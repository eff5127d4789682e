"""What the tests of wado ask for."""

from pathlib import Path

from tests.data_sets import identity


def study_of(file: Path) -> str:
    """The path of a file's study, below `studies/`."""
    return identity(file).study_instance_uid


def series_of(file: Path) -> str:
    """The path of its series."""
    return f"{study_of(file)}/series/{identity(file).series_instance_uid}"


def instance_of(file: Path) -> str:
    """The path of its instance."""
    return f"{series_of(file)}/instances/{identity(file).sop_instance_uid}"
