"""Pages of matches that come in any order."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.dicom.levels import Level
from isthmus.qido.window import Filling, Found, Window, identity
from tests.qido.pacs import attributes, value_of

STUDIES = [attributes(StudyInstanceUID=f"1.{number}") for number in range(30)]


def filled(window: Window, seed: int) -> Found:
    filling = Filling(window, Level.STUDY)
    for study in Random(seed).sample(STUDIES, len(STUDIES)):
        filling.add(study)
        if filling.surplus and not filling.wanting:
            break
    return filling.found(more=filling.surplus > 0, remaining=None)


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(0, 1_000_000), st.integers(0, 12))
def test_pages_of_any_sizes_have_every_match_once_in_whatever_order_they_come(
    sizes: list[int], seed: int, skip: int
) -> None:
    given: tuple[bytes, ...] = ()
    pages: list[object] = []
    for number, size in enumerate([*sizes, len(STUDIES)]):
        found = filled(Window(size, skip=0 if number else skip, given=given), seed + number)
        assert len(found.matches) == min(size, len(STUDIES) - len(given) - (0 if number else skip))
        pages += [value_of(match, "StudyInstanceUID") for match in found.matches]
        given += found.passed
    assert len(pages) == len(set(pages)) == len(STUDIES) - skip
    assert set(given) == {identity(study, Level.STUDY) for study in STUDIES}


@given(st.integers(0, 1_000_000), st.integers(0, 10), st.integers(1, 10))
def test_a_page_that_was_given_before_is_the_same_again(seed: int, before: int, limit: int) -> None:
    order = [identity(study, Level.STUDY) for study in STUDIES]
    window = Window(limit, given=tuple(order[:before]), expected=tuple(order[before : before + limit]))
    found = filled(window, seed)
    assert found.matches == STUDIES[before : before + limit]


def test_a_match_is_named_by_the_uids_down_to_its_level() -> None:
    one = attributes(StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
    other = attributes(StudyInstanceUID="1.2", SeriesInstanceUID="1.4")
    assert identity(one, Level.STUDY) == identity(other, Level.STUDY)
    assert identity(one, Level.SERIES) != identity(other, Level.SERIES)
