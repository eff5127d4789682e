"""Subjects of certificates, as the gateway, scp and people write them."""

import pytest

from isthmus.common.auth import Kind, Policy, Principal, Right
from isthmus.common.auth.subjects import is_same_subject
from isthmus.common.config.access import Rule

LONG = "CN=ct1,OU=Radiology,O=Hospital,L=Bonn,ST=NRW,C=DE"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=ct1,O=Hospital", "CN=ct1,O=Hospital"),
        ("CN=ct1,O=Hospital", "CN=ct1, O=Hospital"),
        ("cn=ct1,o=Hospital", "CN=ct1,O=Hospital"),
        (LONG, "CN=ct1,ST=NRW,L=Bonn,OU=Radiology,O=Hospital,C=DE"),
        (r"CN=a\,b,O=Hospital", r"O=Hospital,CN=a\2Cb"),
        (r"CN=a\\,O=b", r"O=b,CN=a\5C"),
        (r"CN=J\C3\B6rg", "CN=Jörg"),
        ("CN=ct1+O=Hospital", "O=Hospital,CN=ct1"),
        ("CN=ct1,DC=example", "CN=ct1,0.9.2342.19200300.100.1.25=#13076578616d706c65"),
        ("1.2.840.113549.1.9.1=a@b.de", "1.2.840.113549.1.9.1=#0c066140622e6465"),
        ("emailAddress=a@b.de", "1.2.840.113549.1.9.1=#0c066140622e6465"),
    ],
)
def test_the_same_subject_may_be_written_otherwise(one: str, other: str) -> None:
    assert is_same_subject(one, other)
    assert is_same_subject(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ("CN=ct1", ""),
        ("CN=ct1", "CN=ct2"),
        ("CN=ct1", "CN=CT1"),
        ("CN=ct1", "O=ct1"),
        ("CN=ct1", "CN=ct1,O=Hospital"),
        ("CN=ct1,CN=ct1", "CN=ct1"),
        ("CN=a", r"CN=\#0c0161"),
        ("CN=a", "CN=#0c0261"),
        ("CN=a", "CN=#040161"),
        ("CN=a", "CN=#0c"),
        ("CN=a,O=b", r"CN=a\,O=b"),
        ("CN=a,O=b", r"CN=a\2CO=b"),
        ("CN=a,O=b", "CN=a\nO=b"),
        ("CN=a,O=b", r"CN=a\0AO=b"),
        (r"CN=a\\,O=b", r"CN=a\,O=b"),
        ("CN=a\\ ", r"CN=a\5C"),
        ("CN=a\\ ", "CN=a"),
    ],
)
def test_another_subject_is_another(one: str, other: str) -> None:
    assert not is_same_subject(one, other)
    assert not is_same_subject(other, one)


@pytest.mark.parametrize(
    ("subject", "may"),
    [
        ("CN=Jörg,O=Hospital", True),  # as the gateway writes it
        ("O=Hospital,CN=Jörg", True),  # as scp does
        ("CN=Jörg", False),
        ("", False),
    ],
)
def test_a_rule_about_a_subject_holds_on_both_sides(subject: str, may: bool) -> None:
    policy = Policy([Rule(certificate="CN=Jörg, O=Hospital", operations=frozenset({Right.SEARCH}))], ["pacs"])
    principal = Principal(Kind.CERTIFICATE, subject, certificate=subject)
    assert bool(policy.permits(principal, Right.SEARCH)) == may
