"""The studies to try things out with, as files."""

from pathlib import Path

import pytest

from isthmus.cli.phantom import phantom
from isthmus.cli.samples import samples, write_samples


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom.*")  # some of them are there because they are odd
def test_each_instance_is_a_file_as_the_first_of_its_name_has_it(tmp_path: Path) -> None:
    first: dict[str, Path] = {}
    for path, ds in samples():
        first.setdefault(ds.SOPInstanceUID, path)
    made = {str(ds.SOPInstanceUID) for ds in phantom()}
    assert write_samples(tmp_path) == len(first) + len(made)
    assert {path.name for path in tmp_path.iterdir()} == {*first, *made}
    for uid, path in first.items():
        assert (tmp_path / uid).read_bytes() == path.read_bytes()
