"""What lies in an inbox or in a bucket."""

from pathlib import Path

import pytest

from tests.common.inbox.studies import study_of
from tests.data_sets import make_series


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two series of one patient's study, of three images and of two, and one image of another."""
    first = make_series(tmp_path_factory.mktemp("one"), 3)
    second = make_series(tmp_path_factory.mktemp("two"), 2, study_uid=study_of(first[0]), seed=1)
    (other,) = make_series(tmp_path_factory.mktemp("other"), 1, seed=2)
    return [*first, *second, other]
