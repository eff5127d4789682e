"""The secrets by which a service is known to NATS and S3, looked at before it begins."""

from pathlib import Path

import pytest

from isthmus.common.config import load_settings
from isthmus.common.errors import SettingsError
from isthmus.common.service.guessable import check_secrets

BEYOND = "[http]\nlisten = '0.0.0.0:8000'\n[[access.rules]]\nuser = 'ann'\noperations = ['search']\n"
GOOD = "[nats]\nuser = 'qido'\npassword = 'q8sJ-2kd'\n[s3]\naccess_key = 'qido'\nsecret_key = 'dk3-Jwq1'\n"


def written(directory: Path, text: str) -> Path:
    path = directory / "isthmus.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("secret", ["", " ", "minioadmin", "MinioAdmin", "password", "s3cr3t", "nats"])
@pytest.mark.parametrize(("name", "was"), [("nats.password", "q8sJ-2kd"), ("s3.secret_key", "dk3-Jwq1")])
def test_beyond_loopback_no_secret_is_one_that_anybody_would_try(
    tmp_path: Path, name: str, was: str, secret: str
) -> None:
    text = BEYOND + GOOD.replace(was, secret)
    with pytest.raises(SettingsError) as caught:
        check_secrets(load_settings(written(tmp_path, text)))
    assert caught.value.detail.startswith(name)
    assert "http.listen = 0.0.0.0:8000" in caught.value.detail
    assert "listen on 127.0.0.1" in caught.value.detail


def test_good_secrets_are_taken_there_and_any_on_loopback(tmp_path: Path) -> None:
    check_secrets(load_settings(written(tmp_path, BEYOND + GOOD)))
    check_secrets(load_settings(None))


def test_secrets_may_be_in_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(" from-the-file \n")
    settings = load_settings(written(tmp_path, f"[nats]\npassword_file = '{tmp_path / 'password'}'\n"))
    check_secrets(settings)
    assert settings.nats.secret == "from-the-file"
    assert "from-the-file" not in repr(settings)


@pytest.mark.parametrize(("part", "key"), [("nats", "password"), ("s3", "secret_key"), ("gateway", "secret")])
def test_a_file_that_holds_no_secret_is_named(tmp_path: Path, part: str, key: str) -> None:
    settings = load_settings(written(tmp_path, f"[{part}]\n{key}_file = '{tmp_path / 'none'}'\n"))
    with pytest.raises(SettingsError, match=rf"^{part}\.{key}_file: .*/none: No such file"):
        check_secrets(settings)
