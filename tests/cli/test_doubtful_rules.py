"""What `isthmus up` says of rules that do not what somebody thinks that they do."""

from pathlib import Path

import pytest

from isthmus.cli.doubtful_rules import doubtful_rules
from isthmus.common.config import load_settings
from tests.common.config.settings_file import written

PROVIDER = '[[access.oidc]]\nissuer = "https://login.example.org"\naudience = "isthmus"\n'
BEYOND = '[scp]\nlisten = "0.0.0.0:11112"\n'
OVER_HTTP = '[gateway]\ncertificate_file = "a"\nkey_file = "b"\nclient_ca_file = "c"\n'
SUBSCRIBER = '[[access.subscribers]]\nname = "a"\npassword = "0123456789abcdef0123456789abcdef"\n'
ORIGINS = (
    '[[origins]]\nname = "inbox"\nprotocol = "inbox"\nae_title = "INBOX"\n'
    '[[origins]]\nname = "pacs"\nae_title = "PACS"\nport = 104\n'
)
OVER_DIMSE = (
    '[scp.tls]\nlisten = "127.0.0.1:2762"\ncertificate_file = "a"\nkey_file = "b"\nclient_ca_file = "c"\n'
)


def said(tmp_path: Path, who: str, others: str = "") -> list[str]:
    rules = f'[[access.rules]]\nkey = "ai"\noperations = ["search"]\n[[access.rules]]\n{who}\n'
    return list(doubtful_rules(load_settings(written(tmp_path, f'{others}{rules}operations = ["search"]\n'))))


@pytest.mark.parametrize(
    ("who", "others", "words"),
    [
        ('user = "alice"', "", "is for nobody: no [[access.oidc]]"),
        ('claims = { groups = ["radiology"] }', "", "is for nobody: no [[access.oidc]]"),
        ('certificate = "CN=ct1"', "", "is for nobody: certificates are verified by gateway.client_ca_file"),
        ('key = "a"\nclaims = { groups = ["b"] }', PROVIDER, "is for nobody: who shows a key shows no token"),
        ('ae_title = "CT1"', BEYOND, "is for whoever calls himself 'CT1'"),
    ],
)
def test_a_rule_for_nobody_or_for_anybody_is_named(tmp_path: Path, who: str, others: str, words: str) -> None:
    (sentence,) = said(tmp_path, who, others)
    assert sentence.startswith(f"access.rules[1] {words}")


@pytest.mark.parametrize(
    ("who", "operation", "words"),
    [
        ('key = "a"', "events", ": events in operations is for nobody: they are for those whom a rule names"),
        ('ae_title = "CT1"', "delete", ": delete in operations is for nobody: over HTTP alone"),
        ('ae_title = "CT1"', "admin", ": admin in operations is for nobody: over HTTP alone"),
        ('subscriber = "a"\norigins = ["inbox", "pacs"]\n', "events", ".origins: 'pacs' is no inbox"),
    ],
)
def test_what_a_rule_allows_and_nobody_can_ask_for_is_named(
    tmp_path: Path, who: str, operation: str, words: str
) -> None:
    rule = f'{SUBSCRIBER}{ORIGINS}[[access.rules]]\n{who}\noperations = ["{operation}"]\n'
    (sentence,) = doubtful_rules(load_settings(written(tmp_path, rule)))
    assert sentence.startswith(f"access.rules[0]{words}")


@pytest.mark.parametrize(
    ("who", "others"),
    [
        ('user = "alice"', PROVIDER),
        ('certificate = "CN=ct1"', OVER_HTTP),
        ('certificate = "CN=ct1"', OVER_DIMSE),
        ('ae_title = "CT1"', ""),
        ('ae_title = "CT1"\nnetwork = "10.1.0.0/16"', BEYOND),
        ('ae_title = "CT1"\nkey = "ct1"', BEYOND),
        ("anyone = true", BEYOND),
    ],
)
def test_of_other_rules_nothing_is_said(tmp_path: Path, who: str, others: str) -> None:
    assert said(tmp_path, who, others) == []
