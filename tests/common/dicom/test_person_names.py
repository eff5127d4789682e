import unicodedata

import pytest

from isthmus.common.dicom.person_names import fuzzy_name_test, join_groups, literal_name_test

YAMADA = "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ("Doe", "Doe^John"),
        ("Doe^", "Doe^John"),
        ("John", "Doe^John"),
        ("Doe^*", "Doerr^John"),
        ("Muller", "Müller"),
        ("Yamada^Tarou=山本*", YAMADA),
        ("=Yamada*", YAMADA),
        ("Doe=山田", "Doe"),
    ],
)
def test_another_name_does_not_match(wanted: str, stored: str) -> None:
    assert not literal_name_test(wanted)(stored)


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ("doe^john", "DOE^JOHN"),
        ("Doe^John", "Doe^John^^^"),
        ("Doe^John^^", "Doe^John"),
        ("Doe^John ", "Doe^John"),
        ("Doe*", "Doe^John"),
        ("Doe^*", "Doe"),
        ("Doe^*^*", "Doe^John"),
        ("D?e^J*", "Doe^John"),
        ("*^John", "Doe^John"),
        ("GROSS", "Groß"),
    ],
)
def test_case_and_delimiters_at_the_end_do_not_matter(wanted: str, stored: str) -> None:
    assert literal_name_test(wanted)(stored)


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert literal_name_test("Müller")(unicodedata.normalize("NFD", "Müller"))


@pytest.mark.parametrize("wanted", ["Yamada*", "山田^太郎", "やまだ*"])
def test_a_key_of_one_group_matches_any_group(wanted: str) -> None:
    assert literal_name_test(wanted)(YAMADA)


@pytest.mark.parametrize(
    "wanted", ["Yamada^Tarou=山田^太郎", "Yamada*=山田*", "=山田*", "==やまだ*", "*=*=*", YAMADA]
)
def test_a_key_of_several_groups_must_match_each_that_is_not_empty(wanted: str) -> None:
    assert literal_name_test(wanted)(YAMADA)


@pytest.mark.parametrize("wanted", ["john", "DOE JOHN", "john^doe", "jo do", "Muller", "(john)"])
def test_fuzzy_matching_finds_words_by_their_beginnings_in_any_order(wanted: str) -> None:
    assert fuzzy_name_test(wanted)("Doe-Müller^John")


@pytest.mark.parametrize("wanted", ["ohn", "Doe Jane", "Johnny"])
def test_fuzzy_matching_needs_all_words(wanted: str) -> None:
    assert not fuzzy_name_test(wanted)("Doe^John")


@pytest.mark.parametrize("wanted", ["*ohn", "D?e*", "Doe^John"])
def test_fuzzy_matching_finds_what_literal_matching_does(wanted: str) -> None:
    assert fuzzy_name_test(wanted)("Doe^John")


def test_a_fuzzy_key_without_words_is_not_everything() -> None:
    assert not fuzzy_name_test("?")("Doe^John")


def test_the_groups_of_the_json_model_make_one_value() -> None:
    assert join_groups({"Alphabetic": "Yamada", "Phonetic": "やまだ"}) == "Yamada==やまだ"
    assert join_groups({"Alphabetic": "Doe^John"}) == "Doe^John"
    assert join_groups({}) == ""
