"""The settings of webhooks."""

import base64
from pathlib import Path

import pytest

from isthmus.common.config import load_settings
from isthmus.common.config.signing import signing_keys
from isthmus.common.errors import SettingsError
from tests import planted
from tests.common.config.settings_file import written

SECRET = planted.secret("webhook")
HOOK = f"""
[[arrivals.webhooks]]
name = "ai"
url = "https://user:hunter2@ai.example.org/hook/"
secret = "{SECRET}"
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HOOK.replace("https:", "ftp:"), "arrivals.webhooks[0].url: is no URL"),
        (HOOK.replace("example.org", "example.org:99999"), "arrivals.webhooks[0].url: is no URL"),
        (HOOK.replace("example.org", "exam ple.org"), "arrivals.webhooks[0].url: is no URL"),
        (HOOK.replace("example.org", "exam\\u0000ple.org"), "arrivals.webhooks[0].url: is no URL"),
        (HOOK.replace("ai.example.org", "ai\u2100example.org"), "arrivals.webhooks[0].url: is no URL"),
        (HOOK.replace("ai.example.org", "[ai.example.org"), "arrivals.webhooks[0].url: is no URL"),
        (HOOK.replace('secret = "', 'secret = "short" # "'), "a secret has at least 16 characters"),
        (HOOK.replace(SECRET, "whsec_!!!!!!!!!!!!!!!!!!!!"), "what follows whsec_ is no base64"),
        (HOOK.replace(SECRET, f"{SECRET}1 {SECRET}2 {SECRET}3"), "holds 3 secrets"),
        (HOOK.replace(SECRET, ""), "holds 0 secrets"),
        (HOOK.replace("secret =", "# "), "either secret or secret_file"),
        (HOOK + 'secret_file = "s"', "either secret or secret_file"),
        (HOOK + "types = []", "arrivals.webhooks[0].types"),
        (HOOK + 'types = ["study.deleted"]', "arrivals.webhooks[0].types"),
        (HOOK + "origins = []", "arrivals.webhooks[0].origins"),
        (HOOK + 'origins = ["nowhere"]', "'nowhere' is none of the inboxes"),
        (HOOK + HOOK, "two webhooks are named 'ai'"),
        (HOOK + "give_up_hours = 0", "arrivals.webhooks[0].give_up_hours"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_is_quoted(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    assert complaint in caught.value.detail
    assert SECRET not in caught.value.detail
    assert "hunter2" not in caught.value.detail


def test_the_url_stays_as_it_is_written_and_is_not_shown(tmp_path: Path) -> None:
    (webhook,) = load_settings(written(tmp_path, HOOK)).arrivals.webhooks
    assert webhook.url == "https://user:hunter2@ai.example.org/hook/"
    assert "hunter2" not in repr(webhook)
    assert SECRET not in repr(webhook)


def test_a_secret_is_a_text_or_base64_with_a_prefix() -> None:
    key = bytes(range(24))
    assert signing_keys(f"whsec_{base64.b64encode(key).decode()}") == (key,)
    assert signing_keys(SECRET) == (SECRET.encode(),)


def test_while_a_secret_is_replaced_there_are_two() -> None:
    assert signing_keys(f"{SECRET}\n{SECRET}-old\n") == (SECRET.encode(), f"{SECRET}-old".encode())
