"""What rules ask of a token's claims, and what is found of it."""

import pytest

from isthmus.common.auth.claims import held_claims, text_at, wanted_claims
from isthmus.common.config.access import Rule


def rule(claims: dict[str, list[str]]) -> Rule:
    return Rule.model_validate({"claims": claims, "operations": ["search"]})


def test_the_values_of_all_rules_are_wanted() -> None:
    rules = [rule({"groups": ["a", "b"]}), rule({"groups": ["c"], "role": ["x"]})]
    assert wanted_claims(rules) == {"groups": frozenset("abc"), "role": frozenset("x")}


@pytest.mark.parametrize(
    ("claims", "name", "values"),
    [
        ({"groups": ["a", "z"]}, "groups", ("a",)),
        ({"groups": "a"}, "groups", ("a",)),
        ({"groups": "a b"}, "groups", ()),
        ({"scope": "z a"}, "scope", ("a",)),
        ({"scp": "a b"}, "scp", ("a", "b")),
        ({"realm_access": {"roles": ["b", "a"]}}, "realm_access.roles", ("a", "b")),
        ({"https://example.org/roles": ["a"]}, "https://example.org/roles", ("a",)),
        ({"email_verified": True}, "email_verified", ("true",)),
        ({"level": 7}, "level", ("7",)),
        ({"groups": ["A"]}, "groups", ()),
        ({"groups": [["a"], {"a": "a"}, 1, None]}, "groups", ()),
        ({"groups": {"a": "a"}}, "groups", ()),
        ({"groups": None}, "groups", ()),
        ({}, "groups", ()),
        ({"a": "b"}, "a.b", ()),
        ({"a": ["b"]}, "a.b.c", ()),
    ],
)
def test_a_claim_holds_those_of_its_values_that_rules_name(
    claims: dict[str, object], name: str, values: tuple[str, ...]
) -> None:
    wanted = {name: frozenset({"a", "b", "true", "7"})}
    assert held_claims(claims, wanted) == ({name: values} if values else {})


def test_nothing_else_is_kept() -> None:
    claims = {"email": "alice@example.org", "groups": ["a", "secret"]}
    assert held_claims(claims, {"groups": frozenset("a")}) == {"groups": ("a",)}


@pytest.mark.parametrize("value", ["", 7, None, ["alice"], "a\x00b", "a\u202eb"])
def test_a_name_is_a_text_that_can_be_shown(value: object) -> None:
    assert text_at({"sub": value}, "sub") is None
