"""By what services know each other's decisions on the bus."""

from pathlib import Path

import pytest

from isthmus.common.auth import Right
from isthmus.common.auth.grants import HEADER
from isthmus.common.config import Settings
from isthmus.common.errors import SettingsError
from isthmus.common.service.gate import gate_of
from tests import planted

KEY = planted.secret("signing")
RULES = [{"anyone": True, "operations": ["search"]}]


def settings(**access: object) -> Settings:
    return Settings.model_validate({"access": access})


def test_without_rules_and_key_nothing_is_signed() -> None:
    assert gate_of(settings(), "qido").header(Right.SEARCH, "pacs", b"") == {}


@pytest.mark.parametrize("rules", [[], RULES])
def test_a_key_signs_whether_there_are_rules_or_not(rules: list[object], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    for access in ({"signing_key": KEY}, {"signing_key_file": str(file)}):
        gate = gate_of(settings(rules=rules, **access), "qido")
        assert HEADER in gate.header(Right.SEARCH, "pacs", b"")


def test_rules_without_a_key_are_refused_with_both_ways_out() -> None:
    with pytest.raises(SettingsError, match=r"signing_key_file.*isthmus up"):
        gate_of(settings(rules=RULES), "qido")


@pytest.mark.parametrize("content", [None, "", "short secret"])
def test_a_file_without_a_key_is_refused_and_not_quoted(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"access.signing_key_file: .*key: ") as caught:
        gate_of(settings(rules=RULES, signing_key_file=str(file)), "qido")
    assert "short secret" not in caught.value.detail
