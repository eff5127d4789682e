"""One system for all faults; after each kind of fault nothing of it is left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data_sets import identity, make_series
from tests.system.faults.system import FaultySystem

IMAGES = 40


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of two series of 20 images, of 32 KiB each."""
    directory = tmp_path_factory.mktemp("images")
    first = make_series(directory, IMAGES // 2, rows=128, columns=128)
    study = identity(first[0]).study_instance_uid
    return [*first, *make_series(directory, IMAGES // 2, rows=128, columns=128, study_uid=study, seed=1)]


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultySystem]:
    with FaultySystem(tmp_path_factory.mktemp("faults")) as system:
        try:
            yield system
        finally:
            system.end_pacs()


@pytest.fixture(scope="module")
def system(_running: FaultySystem) -> Iterator[FaultySystem]:
    """The running system; what the module's faults leave behind fails it."""
    yield _running
    _running.check_nothing_is_left()
