"""Who may do what, as the settings have it."""

from pathlib import Path

import pytest

from isthmus.common.config import load_settings
from isthmus.common.config.access import Right
from isthmus.common.errors import SettingsError
from tests.common.config.settings_file import written

RIGHT = """
[[access.rules]]
user = "alice"
origins = ["pacs"]
operations = ["search", "retrieve"]
[access.rules.studies]
modality = ["ct", "MR"]
accession_prefix = ["R-"]
since = 2020-01-01
last_days = 30
[[access.rules]]
claims = { groups = ["radiology", "ai"] }
network = "10.1.0.0/16"
operations = ["store"]
[[access.rules]]
subscriber = "ai"
operations = ["events"]
[[access.oidc]]
issuer = "https://login.example.org/realms/hospital"
audience = "isthmus"
[[access.subscribers]]
name = "ai"
password = "0123456789abcdef0123456789abcdef"
"""
PACS = """
[[origins]]
name = "pacs"
ae_title = "PACS"
port = 104
"""
API_KEY = f"isk_{'0' * 16}_{'k' * 43}"


def rule(text: str) -> str:
    return f'[[access.rules]]\noperations = ["search"]\n{text}\n'


def test_rules_are_read_as_they_are_written(tmp_path: Path) -> None:
    access = load_settings(written(tmp_path, RIGHT + PACS)).access
    one, other, hears = access.rules
    assert not access.is_open
    assert (one.user, one.origins) == ("alice", frozenset({"pacs"}))
    assert one.operations == {Right.SEARCH, Right.RETRIEVE}
    assert one.studies is not None
    assert one.studies.modality == {"CT", "MR"}
    assert other.claims == {"groups": {"radiology", "ai"}}
    assert hears.subscriber == access.subscribers[0].name
    assert "0123456789" not in repr(access)


def test_without_rules_it_is_open(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, PACS)).access.is_open


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (rule(""), "access.rules[0]: names nobody: anyone = true is for everybody"),
        (rule('anyone = true\nuser = "a"'), "anyone, and somebody in particular"),
        (rule("claims = {groups = []}"), "claims: a claim without values holds for nobody"),
        (rule('network = "10.1"'), "access.rules[0].network: '10.1' is no IP address or network"),
        (rule('user = ""'), "access.rules[0].user"),
        (rule('certificate = "ct1"'), "access.rules[0].certificate: is no subject of a certificate"),
        (rule(f'key = "{API_KEY}"'), "access.rules[0].key: is no name of a key"),
        (rule('user = "a"\norigins = ["elsewhere"]'), "access.rules[0].origins: 'elsewhere'"),
        (rule('user = "a"\n[access.rules.studies]'), "access.rules[0].studies: names nothing"),
        (
            rule('user = "a"\n[access.rules.studies]\nsince = 2021-01-01\nuntil = 2020-01-01'),
            "since is after until",
        ),
        (rule('user = "a"\n[access.rules.studies]\nmodalities = ["CT"]'), "modality"),
        (rule('subscriber = "ai"'), "subscriber: can have events alone"),
        ('[[access.rules]]\nuser = "a"\noperations = []', "access.rules[0].operations"),
        ('[[access.rules]]\nuser = "a"\noperations = ["read"]', "access.rules[0].operations"),
        ('[[access.rules]]\nuser = "a"', "access.rules[0].operations: is missing"),
        (
            '[[access.rules]]\nsubscriber = "ai"\noperations = ["events"]',
            "access.rules[0].subscriber: 'ai' is no subscriber",
        ),
        (
            '[[access.rules]]\nuser = "a"\noperations = ["store"]\n[access.rules.studies]\nmodality = ["CT"]',
            "studies: cannot be said for store",
        ),
        ('[[access.oidc]]\nissuer = "http://login.example.org"\naudience = "a"', "must begin with https://"),
        ('[[access.oidc]]\nissuer = "https://login.example.org"', "access.oidc[0].audience: is missing"),
        (
            '[[access.oidc]]\nissuer = "https://l.example.org"\naudience = "a"\nalgorithms = ["HS256"]',
            "access.oidc[0].algorithms",
        ),
        (rule('user = "a"\norigins = []'), "access.rules[0].origins: must not be an empty list"),
        (
            rule('user = "a"\n[access.rules.studies]\nsince = "yesterday"'),
            "since: must be a date, such as 2026-01-31",
        ),
        ('[[access.subscribers]]\nname = "ai"', "either password or password_file"),
        ('[[access.subscribers]]\nname = "ai"\npassword = "short"', "has fewer than 32 characters"),
        ('[access]\nsigning_key = "short"', "access.signing_key: has fewer than 32 characters"),
        (
            f'[access]\nlink_key = "{"k" * 32}"\nlink_key_file = "/k"',
            "link_key and link_key_file do not go together",
        ),
        (
            f'[access]\nmetrics_key = "{"k" * 32}"\nmetrics_key_file = "/k"',
            "metrics_key and metrics_key_file do not go together",
        ),
        (
            f'[gateway]\nsecret = "{"k" * 32}"\nsecret_file = "/k"',
            "secret and secret_file do not go together",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        load_settings(written(tmp_path, PACS.replace("[[origins]]", text + "\n[[origins]]", 1)))
    assert complaint in wrong.value.detail
    assert "short" not in wrong.value.detail
    assert API_KEY not in wrong.value.detail


def test_of_what_no_list_may_hold_it_is_not_said_that_the_list_is_empty(tmp_path: Path) -> None:
    text = '[[access.oidc]]\nissuer = "https://l.example.org"\naudience = "a"\nalgorithms = ["none"]'
    with pytest.raises(SettingsError) as wrong:
        load_settings(written(tmp_path, text))
    (line,) = wrong.value.detail.splitlines()
    assert "access.oidc[0].algorithms[0]: Input should be 'RS256'" in line


def test_a_provider_on_this_machine_may_do_without_tls(tmp_path: Path) -> None:
    text = '[[access.oidc]]\nissuer = "http://127.0.0.1:8000"\naudience = "a"'
    (provider,) = load_settings(written(tmp_path, text)).access.oidc
    assert provider.issuer == "http://127.0.0.1:8000"


def test_an_issuer_stays_as_it_is_written(tmp_path: Path) -> None:
    text = '[[access.oidc]]\nissuer = "https://tenant.example.org/"\naudience = "a"'
    (provider,) = load_settings(written(tmp_path, text)).access.oidc
    assert provider.issuer == "https://tenant.example.org/"
    assert provider.discovery_url == "https://tenant.example.org/.well-known/openid-configuration"


def test_a_password_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p" * 40 + "\n")
    text = f'[[access.subscribers]]\nname = "ai"\npassword_file = "{file}"'
    (subscriber,) = load_settings(written(tmp_path, text)).access.subscribers
    assert subscriber.secret == "p" * 40
    file.write_text("secret")
    with pytest.raises(ValueError, match="has fewer than 32 characters") as wrong:
        _ = subscriber.secret
    assert "secret" not in str(wrong.value)
