from fnmatch import fnmatchcase
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.dicom.wildcards import compile_wildcards, is_universal


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("A*", "BA"),
        ("*A", "AB"),
        ("A?", "A"),
        ("A?", "ABC"),
        ("a", "A"),
        ("A*B*C", "ACB"),
        ("AB*BA", "ABA"),  # the B is needed twice
        ("A.C", "ABC"),
        ("[AB]", "A"),
        ("", "A"),
    ],
)
def test_other_text_does_not_match(wanted: str, text: str) -> None:
    assert not compile_wildcards(wanted).fullmatch(text)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("A", "A"),
        ("A*", "A"),
        ("*", ""),
        ("**", "A"),
        ("A*C", "ABBC"),
        ("A?C", "ABC"),
        ("*B?*D", "ABBCABCDD"),
        ("A*", "A\nB"),
        ("A?B", "A\nB"),
        ("(A)+*", "(A)+ B"),
    ],
)
def test_an_asterisk_is_any_text_and_a_question_mark_any_character(wanted: str, text: str) -> None:
    assert compile_wildcards(wanted).fullmatch(text)


@given(st.text(alphabet="ab?*", max_size=12), st.text(alphabet="ab", max_size=16))
def test_it_agrees_with_the_matching_of_file_names(wanted: str, text: str) -> None:
    assert bool(compile_wildcards(wanted).fullmatch(text)) == fnmatchcase(text, wanted)


@pytest.mark.parametrize(
    "wanted", ["*a" * 2000 + "b", "*" * 5000 + "b", "*?" * 2000 + "b", "a*" * 2000 + "b"]
)
def test_no_pattern_makes_the_time_explode(wanted: str) -> None:
    begin = process_time()

    assert not compile_wildcards(wanted).fullmatch("a" * 10_000)
    assert process_time() - begin < 2


@pytest.mark.parametrize(
    ("text", "universal"), [("", True), ("*", True), ("***", True), (" ", True), ("?", False)]
)
def test_only_asterisks_or_nothing_match_everything(text: str, universal: bool) -> None:
    assert is_universal(text) is universal
