"""What the settings of the audit may be."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from isthmus.cli.named_files import check_files
from isthmus.common.config import Settings
from isthmus.common.config.audit import Audit, Syslog
from isthmus.common.errors import SettingsError


def test_by_default_records_are_kept_for_a_month_and_told_nobody() -> None:
    assert Audit() == Audit(keep_days=30, source="isthmus", syslog=None)


@pytest.mark.parametrize("days", [0, -1, 40_000])
def test_for_how_long_they_are_kept_has_bounds(days: float) -> None:
    with pytest.raises(ValidationError, match="keep_days"):
        Audit(keep_days=days)


def test_a_syslog_server_speaks_tls_if_nothing_else_is_said() -> None:
    server = Syslog(host="arr.example.org")
    assert (server.tls, server.port) == (True, 6514)
    assert Syslog(host="arr.example.org", tls=False).peer_tls is None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"certificate_file": "a.pem"}, "certificate_file and key_file go together"),
        ({"tls": False, "ca_file": "a.pem"}, "ca_file and certificate_file are for TLS"),
        ({"host": ""}, "host"),
        ({"port": 0}, "port"),
        ({"protocol": "udp"}, "protocol"),
    ],
)
def test_what_does_not_go_is_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Syslog.model_validate({"host": "arr.example.org", **settings})


def test_a_file_that_is_not_there_is_named_before_anything_starts(tmp_path: Path) -> None:
    syslog = Syslog(host="arr.example.org", ca_file=tmp_path / "none.pem")
    with pytest.raises(SettingsError) as caught:
        check_files(Settings(audit=Audit(syslog=syslog)))
    assert caught.value.detail == f"audit.syslog.ca_file: {tmp_path / 'none.pem'}: No such file or directory"
