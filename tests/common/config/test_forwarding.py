"""The rules of forwarding, and what is wrong with some."""

from pathlib import Path

import pytest

from isthmus.common.config import load_settings
from isthmus.common.errors import SettingsError
from tests.common.config.settings_file import written

PACS = '[[origins]]\nname = "pacs"\nae_title = "PACS"\nport = 104\n'


def inbox(name: str, *, deletes: bool = True) -> str:
    return (
        f'[[origins]]\nname = "{name}"\nprotocol = "inbox"\nae_title = "{name.upper()}"\n'
        f"delete_forwarded = {str(deletes).lower()}\n"
    )


def rule(to: str, more: str = "") -> str:
    return f'[[arrivals.forward]]\nto = ["{to}"]\n{more}\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (PACS + rule("pcas"), "arrivals.forward[0].to: 'pcas' is none of the origins"),
        (PACS + rule("pacs", 'inbox = "pacs"'), "arrivals.forward[0].inbox: 'pacs' is none of the inboxes"),
        (PACS + rule("pacs", 'modality = [""]'), "arrivals.forward[0].modality[0]: '' is no Modality"),
        (PACS + rule("pacs", 'modality = ["CT*"]'), "arrivals.forward[0].modality[0]: 'CT*' is no Modality"),
        (PACS + rule("pacs", 'modality = ["A-VERY-LONG-MODALITY"]'), "is no Modality"),
        (PACS + rule("pacs", 'study_description = " "'), "arrivals.forward[0].study_description"),
        (PACS + rule("pacs", 'calling_ae_title = ""'), "arrivals.forward[0].calling_ae_title"),
        (PACS + inbox("a"), "delete_forwarded of 'a': no rule of arrivals.forward"),
        (PACS + inbox("a") + rule("a"), "delete_forwarded of 'a': no rule of arrivals.forward"),
        (
            PACS + inbox("a") + rule("pacs", 'each = "instance"'),
            "delete_forwarded of 'a': no rule of arrivals.forward with each = \"study\"",
        ),
        (
            PACS + inbox("a") + inbox("b", deletes=False) + rule("pacs", 'inbox = "b"'),
            "delete_forwarded of 'a': no rule of arrivals.forward",
        ),
        (
            inbox("a") + inbox("b") + rule("b", 'inbox = "a"') + rule("a", 'inbox = "b"'),
            "arrivals.forward: 'a' -> 'b' -> 'a' is a circle of inboxes that all have delete_forwarded",
        ),
        (inbox("a") + inbox("b") + rule("a") + rule("b"), "'a' -> 'b' -> 'a' is a circle"),
        (
            PACS
            + inbox("a")
            + inbox("b")
            + inbox("c")
            + rule("pacs")
            + rule("b", 'inbox = "a"\nmodality = ["CT"]')
            + rule("c", 'inbox = "b"\neach = "instance"')
            + rule("a", 'inbox = "c"'),
            "'a' -> 'b' -> 'c' -> 'a' is a circle",
        ),
        (
            PACS
            + inbox("a")
            + inbox("b")
            + inbox("c")
            + rule("pacs", 'inbox = "a"')
            + rule("b", 'inbox = "a"')
            + rule("c", 'inbox = "b"')
            + rule("b", 'inbox = "c"'),
            "'b' -> 'c' -> 'b' is a circle",
        ),
    ],
)
def test_a_wrong_rule_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    assert complaint in caught.value.detail


@pytest.mark.parametrize(
    "text",
    [
        PACS + inbox("a") + rule("pacs"),
        inbox("a") + inbox("b", deletes=False) + rule("b", 'inbox = "a"'),
        # What the second one keeps, it does not get a second time: this ends by itself.
        inbox("a") + inbox("b", deletes=False) + rule("b", 'inbox = "a"') + rule("a", 'inbox = "b"'),
        PACS + inbox("a") + inbox("b") + rule("b", 'inbox = "a"') + rule("pacs", 'inbox = "b"'),
    ],
)
def test_inboxes_that_end_somewhere_may_delete(tmp_path: Path, text: str) -> None:
    assert load_settings(written(tmp_path, text)).arrivals.forward


def test_blanks_and_case_of_what_a_rule_names_do_not_count(tmp_path: Path) -> None:
    text = PACS + rule("pacs", 'modality = ["ct ", "Mr"]\nstudy_description = " CHEST* "')
    (forward,) = load_settings(written(tmp_path, text)).arrivals.forward
    assert (forward.modality, forward.study_description) == (("CT", "MR"), "CHEST*")
