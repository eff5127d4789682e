"""What is planted is found where it turns up: else nothing would be, and every run would be good."""

from pathlib import Path

import pytest

from isthmus.common.errors import InvalidParameter
from tests import planted
from tests.data_sets import make_series


def test_a_secret_is_found_in_a_text() -> None:
    assert planted.found_in(f"Bearer {planted.secret('token')}")
    assert planted.found_in("a line that tells nothing") == set()


def test_what_others_made_is_found_once_it_is_registered() -> None:
    password = planted.plant("7c5b9f2e-made-elsewhere")
    assert planted.found_in(f"password={password};") == {password}


def test_the_patient_of_a_made_data_set_is_found(tmp_path: Path) -> None:
    (file,) = make_series(tmp_path, 1)
    assert planted.found_in(file.read_bytes().decode(errors="replace")) >= {
        planted.NAME[:11],
        planted.PATIENT_ID,
    }


def test_an_error_that_quotes_it_is_told_once() -> None:
    error = InvalidParameter("PatientName", f"{planted.NAME} 7 is no name")
    told = planted.errors_since()
    assert len(told) == 1
    assert error.detail in told[0]
    assert planted.errors_since() == []


@pytest.mark.parametrize("name", ["up.log", "data/gateway/gateway.log", "data/traces/qido-1.jsonl"])
def test_a_log_or_trace_that_has_it_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / "system" / name
    file.parent.mkdir(parents=True)
    file.write_text("nothing\n")
    assert planted.found_in_files(tmp_path) == []
    file.write_text(f"nothing\nGET /studies?PatientName={planted.NAME}\n")
    (told,) = planted.found_in_files(tmp_path)
    assert f"system/{name}" in told
    file.unlink()  # or the search at the end of the run would find it
