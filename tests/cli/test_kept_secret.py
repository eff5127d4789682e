from pathlib import Path

import pytest

from isthmus.cli.kept_secret import kept_secret
from isthmus.common.errors import SettingsError


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "data" / "signing.key"
    secret = kept_secret(file)
    assert len(secret) >= 32
    assert kept_secret(file) == secret
    assert file.stat().st_mode & 0o777 == 0o600
    assert kept_secret(tmp_path / "other.key") != secret


@pytest.mark.parametrize("content", [b"", b"short secret", b"\xff" * 40])
def test_a_file_without_one_is_an_error_that_quotes_nothing(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"signing\.key: ") as caught:
        kept_secret(file)
    assert "short secret" not in caught.value.detail
