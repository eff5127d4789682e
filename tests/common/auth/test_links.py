"""Signed links: what they hold, and that nothing else passes for one."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.auth import Kind, StudyLink
from isthmus.common.auth.links import Links
from isthmus.common.errors import Unauthenticated
from tests import planted

KEY = planted.secret("link")
LINKS = Links(KEY)


def test_a_link_is_somebody_who_may_see_one_study() -> None:
    until = time.time() + 60
    who = LINKS.principal(LINKS.make("pacs", "1.2.3", until), "10.1.0.7")
    assert (who.kind, who.link, who.until) == (Kind.LINK, StudyLink("pacs", "1.2.3"), until)
    assert who.address == "10.1.0.7"
    assert who.is_known


def test_each_link_has_a_name_of_its_own() -> None:
    names = {LINKS.principal(LINKS.make("pacs", "1.2.3", time.time() + 60)).name for _ in range(20)}
    assert len(names) == 20


def test_a_link_goes_into_a_url_as_it_is() -> None:
    made = LINKS.make("pacs-" + "x" * 58, "1." * 31 + "2", time.time() + 60)
    assert made.replace("_", "").replace("-", "").isalnum()
    assert len(made) < 400


def test_a_link_by_another_key_is_none() -> None:
    made = Links(KEY + "!").make("pacs", "1.2.3", time.time() + 60)
    with pytest.raises(Unauthenticated, match="none of ours"):
        LINKS.principal(made)


def test_a_link_ends() -> None:
    with pytest.raises(Unauthenticated, match="The link has expired"):
        LINKS.principal(LINKS.make("pacs", "1.2.3", time.time()))


MADE = planted.plant(LINKS.make("pacs", "1.2.3", time.time() + 86_400))


@given(at=st.integers(4, len(MADE) - 2), character=st.sampled_from("ABCabc012-_"))
def test_no_character_of_a_link_can_be_another(at: int, character: str) -> None:
    if character != MADE[at]:
        with pytest.raises(Unauthenticated, match="cut, or none of ours"):
            LINKS.principal(MADE[:at] + character + MADE[at + 1 :])


@given(length=st.integers(0, len(MADE) - 1))
def test_no_part_of_a_link_is_one(length: int) -> None:
    with pytest.raises(Unauthenticated, match="cut, or none of ours"):
        LINKS.principal(MADE[:length])


def test_what_is_no_link_is_refused() -> None:
    for text in ("", "isl_", "isl_AAAA", "ISL_" + MADE[4:], MADE + "AA", MADE + "=", "isl_" + "A" * 2000):
        with pytest.raises(Unauthenticated, match="cut, or none of ours"):
            LINKS.principal(text)
