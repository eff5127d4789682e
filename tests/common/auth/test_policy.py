"""The rules: whom each is about, what it allows, and how a refusal is told."""

from collections.abc import Mapping

import pytest

from isthmus.common.auth import Kind, Permit, Policy, Principal, Right, StudyLink
from isthmus.common.config.access import Rule
from isthmus.common.errors import Forbidden, Unauthenticated, UnknownOrigin

NOBODY = Principal(Kind.ANYONE, address="10.1.0.7")
ALICE = Principal(Kind.USER, "alice", {"groups": ("radiology", "staff")}, address="10.1.0.7")
AI = Principal(Kind.KEY, "ai", address="10.9.0.1")
CT = Principal(Kind.AE_TITLE, "CT1", address="::ffff:10.1.0.8", ae_title="CT1")
GUEST = Principal(Kind.LINK, "a1", link=StudyLink("pacs", "1.2.3"))


def policy(*rules: Mapping[str, object]) -> Policy:
    return Policy([Rule.model_validate(rule) for rule in rules], ["pacs", "cloud"])


def may(
    rule: Mapping[str, object], who: Principal, right: Right = Right.SEARCH, origin: str = "pacs"
) -> bool:
    return origin in policy({"operations": ["search"], **rule}).permits(who, right)


def test_without_rules_everybody_may_do_everything() -> None:
    open_to_all = policy()
    assert open_to_all.is_open
    for right in Right:
        assert open_to_all.permits(NOBODY, right) == {"pacs": Permit(), "cloud": Permit()}
    assert open_to_all.allows(NOBODY, Right.ADMIN)


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ({"anyone": True}, NOBODY),
        ({"user": "alice"}, ALICE),
        ({"claims": {"groups": ["oncology", "radiology"]}}, ALICE),
        ({"claims": {"groups": ["radiology"]}, "network": "10.1.0.0/16"}, ALICE),
        ({"key": "ai"}, AI),
        ({"ae_title": "CT1", "network": "10.1.0.8"}, CT),
        ({"network": "10.1.0.0/16"}, NOBODY),
        ({"certificate": "CN=ct1"}, Principal(Kind.CERTIFICATE, "CN=ct1", certificate="CN=ct1")),
    ],
)
def test_a_rule_is_about_those_of_whom_all_holds_that_it_names(
    rule: dict[str, object], who: Principal
) -> None:
    assert may(rule, who)


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ({"user": "alice"}, Principal(Kind.KEY, "alice")),
        ({"key": "alice"}, ALICE),
        ({"user": "Alice"}, ALICE),
        ({"user": "alice", "network": "10.2.0.0/16"}, ALICE),
        ({"claims": {"groups": ["radiology"], "role": ["reader"]}}, ALICE),
        ({"claims": {"groups": ["radio"]}}, ALICE),
        ({"claims": {"groups": ["radiology"]}}, NOBODY),
        ({"ae_title": "CT1"}, Principal(Kind.ANYONE, address="10.1.0.8")),
        ({"ae_title": "CT1", "certificate": "CN=ct1"}, CT),
        ({"network": "10.1.0.0/16"}, Principal(Kind.ANYONE, address="")),
        ({"anyone": True}, GUEST),
    ],
)
def test_a_rule_is_about_nobody_else(rule: dict[str, object], who: Principal) -> None:
    assert not may(rule, who, origin="cloud")


def test_a_rule_allows_what_it_names_where_it_says() -> None:
    rule = {"user": "alice", "origins": ["pacs"], "operations": ["search", "retrieve"]}
    assert {right: [*policy(rule).permits(ALICE, right)] for right in Right} == {
        Right.SEARCH: ["pacs"],
        Right.RETRIEVE: ["pacs"],
        Right.STORE: [],
        Right.DELETE: [],
        Right.EVENTS: [],
        Right.ADMIN: [],
    }
    assert not policy(rule).allows(ALICE, Right.ADMIN)


def test_one_of_several_filters_is_enough_and_a_rule_without_one_is_for_every_study() -> None:
    ct = {"user": "alice", "operations": ["search"], "studies": {"modality": ["CT"]}}
    mr = {"user": "alice", "operations": ["search"], "studies": {"modality": ["MR"]}}
    every = {"user": "alice", "operations": ["search"], "origins": ["cloud"]}
    permits = policy(ct, mr, every).permits(ALICE, Right.SEARCH)
    assert [one.modality for one in permits["pacs"].filters] == [{"CT"}, {"MR"}]
    assert not permits["pacs"].is_whole
    assert permits["cloud"].is_whole


def test_a_link_opens_its_study_and_nothing_else_even_where_all_is_open() -> None:
    for rules in ((), ({"anyone": True, "operations": ["search", "retrieve", "store"]},)):
        some = policy(*rules)
        assert some.permits(GUEST, Right.RETRIEVE) == {"pacs": Permit(study="1.2.3")}
        assert not some.permits(GUEST, Right.STORE)
        assert not some.permits(GUEST, Right.DELETE)


def test_who_has_no_credential_hears_the_same_of_every_origin() -> None:
    some = policy({"user": "alice", "operations": ["search"]})
    for origin in ("pacs", "nowhere"):
        with pytest.raises(Unauthenticated) as raised:
            some.require(NOBODY, Right.SEARCH, origin)
        assert origin not in raised.value.detail


def test_what_one_may_not_see_is_not_there_and_what_one_may_not_do_is_forbidden() -> None:
    some = policy({"user": "alice", "origins": ["pacs"], "operations": ["search"]})
    with pytest.raises(Forbidden):
        some.require(ALICE, Right.STORE, "pacs")
    words = []
    for origin in ("cloud", "nowhere"):
        with pytest.raises(UnknownOrigin) as raised:
            some.require(ALICE, Right.SEARCH, origin)
        words.append(raised.value.detail.replace(origin, "X"))
    assert words[0] == words[1]


def test_our_own_services_and_the_operator_may_do_everything() -> None:
    some = policy({"user": "alice", "operations": ["search"]})
    for kind in (Kind.SERVICE, Kind.OPERATOR):
        assert some.require(Principal(kind, "arrivals"), Right.DELETE, "cloud").is_whole


def test_prometheus_may_read_the_metrics_and_nothing_else() -> None:
    some, prometheus = policy({"user": "alice", "operations": ["search"]}), Principal(Kind.METRICS, "metrics")
    assert some.allows(prometheus, Right.ADMIN)
    for right in set(Right) - {Right.ADMIN}:
        assert not some.allows(prometheus, right)
        assert not some.permits(prometheus, right)


def test_a_principal_is_called_by_what_he_is_known_by() -> None:
    assert [one.label for one in (NOBODY, ALICE, AI)] == ["anyone:10.1.0.7", "user:alice", "key:ai"]
