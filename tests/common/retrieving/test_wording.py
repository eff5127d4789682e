"""In which words an origin is asked, as it refuses one after the other."""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from isthmus.common.errors import OperationFailed
from isthmus.common.retrieving.ask import UIDS_AT_ONCE, Ask
from isthmus.common.retrieving.listing import Listed
from isthmus.common.retrieving.wording import Form, Wording, form_of

STUDY = "1.2"
INSTANCES = [Listed(series, f"{series}.{n}", "", "CT") for series in ("1.2.1", "1.2.2") for n in range(3)]


def asked(wording: Wording) -> list[tuple[Form, int]]:
    """The form of each ask, and how many instances it is about."""
    return [(form_of(ask), len(ask.instances)) for ask in wording.asks(STUDY, INSTANCES)]


def refuse(wording: Wording, status: int = 0xA900) -> None:
    (ask, *_) = wording.asks(STUDY, INSTANCES)
    with suppress(OperationFailed), wording.learning(ask):
        raise OperationFailed("not so", origin="pacs", status=status)


def understand(wording: Wording, ask: Ask) -> None:
    with wording.learning(ask):
        pass


def test_what_is_refused_is_asked_for_with_ever_more_until_nothing_is_left() -> None:
    wording = Wording()
    seen = []
    for _ in Form:
        seen.append(asked(wording))
        refuse(wording)
    assert seen == [
        [(Form.LIST, 3), (Form.LIST, 3)],
        [(Form.INSTANCE, 1)] * 6,
        [(Form.SERIES, 3), (Form.SERIES, 3)],
        [(Form.STUDY, 6)],
    ]
    assert asked(wording) == []
    assert not wording.allows_any


@pytest.mark.parametrize("status", [0x0110, 0xA702, 0xB000, 0xC000])
def test_a_failure_for_another_reason_says_nothing_of_the_words(status: int) -> None:
    wording = Wording()
    refuse(wording, status)
    assert asked(wording) == [(Form.LIST, 3), (Form.LIST, 3)]


def test_words_that_were_understood_once_are_not_what_is_refused_later() -> None:
    wording = Wording()
    understand(wording, Ask.for_instances(STUDY, INSTANCES[:3]))
    refuse(wording)
    assert asked(wording) == [(Form.LIST, 3), (Form.LIST, 3)]


@pytest.mark.parametrize(("never", "form"), [((), Form.SERIES), ((Form.SERIES,), Form.STUDY)])
def test_a_whole_series_is_asked_for_as_such_or_with_its_study(never: Sequence[Form], form: Form) -> None:
    ask = Wording(never).whole(STUDY, "1.2.1", INSTANCES[:3])
    assert ask is not None
    assert form_of(ask) is form


def test_what_is_understood_after_all_was_not_refused_for_its_form() -> None:
    wording = Wording()
    refuse(wording)
    understand(wording, Ask.for_instances(STUDY, INSTANCES[:3]))
    assert asked(wording) == [(Form.LIST, 3), (Form.LIST, 3)]


def test_lists_are_bounded() -> None:
    many = [Listed("1.2.1", f"1.2.1.{n}", "", "CT") for n in range(2 * UIDS_AT_ONCE + 1)]
    assert [len(ask.instances) for ask in Wording().asks(STUDY, many)] == [UIDS_AT_ONCE, UIDS_AT_ONCE, 1]
