import inspect

import pytest

from isthmus.common.bus import subjects
from isthmus.common.bus.templates import TEMPLATES, verb


@pytest.mark.parametrize("name", ["", ".", "*", ">", "a b", "a\tb", "1.2.>", "a\r\nPUB x 0", "é", "%", "="])
def test_no_name_means_more_than_itself(name: str) -> None:
    token = subjects.token(name)
    assert token
    assert not set(token) & set(".*> \t\r\n")


@pytest.mark.parametrize("name", [10_000 * "1", 10_000 * "é", 200 * "*"])
def test_no_name_is_too_long_for_a_subject(name: str) -> None:
    token = subjects.token(name)
    assert len(token) <= subjects.LONGEST
    assert token not in {subjects.token(f"{name}1"), subjects.token(token)}


def test_different_names_are_different_tokens() -> None:
    names = ["1.2", "1=2", "1%3D2", "1%2", "12", "", "%", "1 2"]
    assert len({subjects.token(name) for name in names}) == len(names)


def test_the_dots_of_a_uid_are_equal_signs() -> None:
    assert subjects.retrieve("pacs", "interactive", "1.2.3") == "dicom.retrieve.pacs.interactive.1=2=3"


def test_each_verb_has_a_template_that_says_what_its_subjects_are_made_of() -> None:
    made = [
        one(*("x" for _ in inspect.signature(one).parameters))
        for name, one in inspect.getmembers(subjects, inspect.isfunction)
        if one.__module__ == subjects.__name__ and not name.startswith("_") and name != "token"
    ]
    assert {verb(subject) for subject in made} == set(TEMPLATES)
    assert all(template.startswith(f"{name}.{{") for name, template in TEMPLATES.items())
