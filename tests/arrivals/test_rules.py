"""Which rule of `arrivals.forward` matches what."""

import pytest

from isthmus.arrivals.forwarding.rules import Traits, Wanted, routes, text
from isthmus.common.config.arriving import Forward, ForwardUnit

STUDY = ForwardUnit.STUDY


def rule(*to: str, **names: object) -> Forward:
    return Forward.model_validate({"to": to or ("pacs",), **names})


def traits(inbox: str = "inbox", *callers: str, description: str = "") -> Traits:
    return Traits(inbox, callers, description)


def test_a_rule_without_conditions_sends_everything_everywhere_it_names() -> None:
    assert routes([rule("pacs", "archive")], STUDY, traits()) == {
        "pacs": Wanted(None),
        "archive": Wanted(None),
    }


def test_without_rules_nothing_goes_anywhere() -> None:
    assert routes([], STUDY, traits()) == {}


def test_a_rule_for_instances_is_none_for_studies() -> None:
    rules = [rule(each="instance")]
    assert routes(rules, STUDY, traits()) == {}
    assert routes(rules, ForwardUnit.INSTANCE, traits()) == {"pacs": Wanted(None)}


def test_a_rule_for_another_inbox_does_not_match() -> None:
    assert routes([rule(inbox="other")], STUDY, traits("inbox")) == {}
    assert routes([rule(inbox="inbox")], STUDY, traits("inbox")) != {}


def test_nothing_goes_to_the_inbox_that_it_is_in() -> None:
    assert routes([rule("inbox", "pacs")], STUDY, traits("inbox")) == {"pacs": Wanted(None)}


@pytest.mark.parametrize(
    ("pattern", "callers", "matches"),
    [
        ("CT1", ("CT1",), True),
        ("ct1", ("CT1",), True),
        ("CT1", ("CT12",), False),
        ("CT*", ("MR1", "CT12"), True),
        ("CT?", ("CT12",), False),
        ("*", (), False),
        ("C.1", ("CT1",), False),
    ],
)
def test_one_of_the_calling_ae_titles_has_to_match(
    pattern: str, callers: tuple[str, ...], matches: bool
) -> None:
    found = routes([rule(calling_ae_title=pattern)], STUDY, traits("inbox", *callers))
    assert bool(found) is matches


@pytest.mark.parametrize(
    ("pattern", "description", "matches"),
    [
        ("*thorax*", "CT Thorax nativ", True),
        ("*thorax", "CT Thorax nativ", False),
        ("*SCHÄDEL*", "CT schädel", True),
        ("*", "", True),
        ("?", "", False),
    ],
)
def test_the_study_description_has_to_match(pattern: str, description: str, matches: bool) -> None:
    found = routes([rule(study_description=pattern)], STUDY, traits(description=description))
    assert bool(found) is matches


def test_all_conditions_have_to_hold() -> None:
    both = rule(calling_ae_title="CT1", study_description="*head*")
    assert routes([both], STUDY, traits("inbox", "CT1", description="Thorax")) == {}
    assert routes([both], STUDY, traits("inbox", "CT1", description="Head")) != {}


def test_rules_for_one_destination_add_up() -> None:
    ct, mr, everything = rule(modality=["CT"]), rule(modality=["mr"]), rule("pacs")
    (of_both,) = routes([ct, mr], STUDY, traits()).values()
    assert (of_both.takes("CT"), of_both.takes("MR"), of_both.takes("US")) == (True, True, False)
    (of_all,) = routes([ct, everything], STUDY, traits()).values()
    assert of_all.takes("US")
    assert of_all.takes("")


def test_an_instance_without_modality_is_none_of_those_named() -> None:
    assert not Wanted(frozenset({"CT"})).takes("")


@pytest.mark.parametrize(
    "element",
    [
        None,
        {"vr": "LO"},
        {"vr": "LO", "Value": []},
        {"vr": "LO", "Value": [None]},
        {"vr": "IS", "Value": [3]},
    ],
)
def test_what_is_no_text_counts_as_none(element: object) -> None:
    assert text({} if element is None else {"00081030": element}, "00081030") == ""  # type: ignore[dict-item]  # also what is none


def test_blanks_around_a_text_do_not_count() -> None:
    assert text({"00081030": {"vr": "LO", "Value": [" Head "]}}, "00081030") == "Head"
