"""Limits that are set, and values that are none."""

from pathlib import Path

import pytest

from isthmus.common.config import load_settings
from isthmus.common.config.limits import Limits
from isthmus.common.config.settings import Scp
from isthmus.common.errors import SettingsError
from tests.common.config.settings_file import written


def test_what_the_file_says_is_the_limit_and_what_it_leaves_out_is_the_default(tmp_path: Path) -> None:
    read = load_settings(
        written(tmp_path, "[limits]\nmax_parts = 7\nbody_seconds = 2.5\n[scp]\nmax_pdu = 16384\n")
    )
    assert read.limits == Limits(max_parts=7, body_seconds=2.5)
    assert read.scp == Scp(max_pdu=16384)


def test_the_environment_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_LIMITS__MAX_REQUESTS_PER_ADDRESS", "12")
    assert load_settings(written(tmp_path, "")).limits.max_requests_per_address == 12


def test_by_default_no_ae_title_and_no_address_can_take_all_associations() -> None:
    scp = Scp()
    assert scp.max_associations_per_ae_title < scp.max_associations
    assert scp.max_associations_per_address < scp.max_associations


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[limits]\nmax_parts = 0", "limits.max_parts: "),
        ("[limits]\nmax_parts = true", "limits.max_parts: must not be true"),
        ("[limits]\nheader_seconds = 0", "limits.header_seconds: "),
        ("[limits]\nmax_header_bytes = 100", "limits.max_header_bytes: "),
        ("[limits]\nmax_request_per_address = 3", "did you mean max_requests_per_address"),
        ("[scp]\nmax_pdu = 4095", "scp.max_pdu: "),
        ("[scp]\nmax_pdu = 1048577", "scp.max_pdu: "),
        ("[scp]\nidle_seconds = 0", "scp.idle_seconds: "),
        ("[scp]\nmax_associations_per_address = 0", "scp.max_associations_per_address: "),
    ],
)
def test_a_wrong_one_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(written(tmp_path, text))
    assert complaint in error.value.detail
