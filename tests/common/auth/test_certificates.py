"""Subjects of certificates that may hold anything."""

import pytest

from isthmus.common.auth.certificates import subject_in
from isthmus.common.auth.subjects import is_same_subject
from tests.certificates import shown


@pytest.mark.parametrize(
    ("subject", "written"),
    [
        ("CN=ct1,O=Hospital", "CN=ct1,O=Hospital"),
        (r"CN=ct1\0A\,O=Hospital", r"CN=ct1\0A\,O=Hospital"),
        (r"CN=\1B[2J\7F", r"CN=\1B[2J\7F"),
        ("CN=Jörg", "CN=Jörg"),
    ],
)
def test_a_subject_is_one_line_whatever_is_in_it(subject: str, written: str) -> None:
    found = subject_in(shown(subject))
    assert found == written
    assert is_same_subject(found, subject)


def test_a_subject_that_no_authority_would_sign_is_none() -> None:
    """It would be in every record, and in every message."""
    long = ",".join(f"CN={number:064}" for number in range(61))
    assert subject_in(shown(long)) == ""
    assert subject_in(shown(long[:4000]))
