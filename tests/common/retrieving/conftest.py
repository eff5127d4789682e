"""A study of one series, as files."""

from pathlib import Path

import pytest

from tests.data_sets import identity, make_series

COUNT = 3


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("study"), COUNT)


@pytest.fixture(scope="session")
def study(images: list[Path]) -> str:
    """Its Study Instance UID."""
    return identity(images[0]).study_instance_uid


@pytest.fixture(scope="session")
def uids(images: list[Path]) -> list[str]:
    """Its SOP Instance UIDs."""
    return [identity(image).sop_instance_uid for image in images]
