"""What must be so before anything listens beyond this machine."""

from pathlib import Path

import pytest

from isthmus.common.config import load_settings
from isthmus.common.errors import SettingsError
from isthmus.common.service.guessable import check_secrets

RULE = "[[access.rules]]\nuser = 'ann'\noperations = ['search']\n"
BEYOND = {
    "gateway.listen": "[gateway]\nlisten = '{}:8080'\n",
    "scp.listen": "[scp]\nlisten = '{}:11112'\n",
    "scp.tls.listen": "[scp.tls]\nlisten = '{}:2762'\ncertificate_file = 'c.pem'\nkey_file = 'k.pem'\n",
    "http.listen": "[http]\nlisten = '{}:8000'\n",
}
GOOD = "[nats]\nuser = 'qido'\npassword = 'q8sJ-2kd'\n[s3]\naccess_key = 'qido'\nsecret_key = 'dk3-Jwq1'\n"


def written(directory: Path, text: str) -> Path:
    path = directory / "isthmus.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "[::]", "[2001:db8::1]"])
@pytest.mark.parametrize("name", BEYOND)
def test_nothing_listens_beyond_loopback_where_everybody_may_do_everything(
    tmp_path: Path, name: str, host: str
) -> None:
    text = BEYOND[name].format(host)
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    assert f"{name}: {host}" in caught.value.detail
    assert "[[access.rules]]" in caught.value.detail
    assert "127.0.0.1" in caught.value.detail
    assert load_settings(written(tmp_path, text + RULE)).access.rules


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "localhost", "[::1]"])
@pytest.mark.parametrize("name", BEYOND)
def test_on_loopback_no_rules_are_needed(tmp_path: Path, name: str, host: str) -> None:
    settings = load_settings(written(tmp_path, BEYOND[name].format(host)))
    assert settings.listening[name].startswith(host)


def test_the_environment_gets_past_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_GATEWAY__LISTEN", "0.0.0.0:8080")
    with pytest.raises(SettingsError, match=r"gateway\.listen: 0\.0\.0\.0:8080"):
        load_settings(None)


@pytest.mark.parametrize("secret", ["", " ", "minioadmin", "MinioAdmin", "password", "s3cr3t", "nats"])
@pytest.mark.parametrize(("name", "was"), [("nats.password", "q8sJ-2kd"), ("s3.secret_key", "dk3-Jwq1")])
def test_beyond_loopback_no_secret_is_one_that_anybody_would_try(
    tmp_path: Path, name: str, was: str, secret: str
) -> None:
    text = BEYOND["http.listen"].format("0.0.0.0") + RULE + GOOD.replace(was, secret)
    with pytest.raises(SettingsError) as caught:
        check_secrets(load_settings(written(tmp_path, text)))
    assert caught.value.detail.startswith(name)
    assert "http.listen = 0.0.0.0:8000" in caught.value.detail
    assert "listen on 127.0.0.1" in caught.value.detail


def test_good_secrets_are_taken_there_and_any_on_loopback(tmp_path: Path) -> None:
    check_secrets(load_settings(written(tmp_path, BEYOND["http.listen"].format("0.0.0.0") + RULE + GOOD)))
    check_secrets(load_settings(None))


def test_secrets_may_be_in_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(" from-the-file \n")
    settings = load_settings(written(tmp_path, f"[nats]\npassword_file = '{tmp_path / 'password'}'\n"))
    check_secrets(settings)
    assert settings.nats.secret == "from-the-file"
    assert "from-the-file" not in repr(settings)


@pytest.mark.parametrize(("part", "key"), [("nats", "password"), ("s3", "secret_key")])
def test_a_file_that_holds_no_secret_is_named(tmp_path: Path, part: str, key: str) -> None:
    settings = load_settings(written(tmp_path, f"[{part}]\n{key}_file = '{tmp_path / 'none'}'\n"))
    with pytest.raises(SettingsError, match=rf"^{part}\.{key}_file: No such file"):
        check_secrets(settings)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[nats]\npassword = 'a'\npassword_file = 'b'", "password and password_file do not go together"),
        (
            "[s3]\nsecret_key = 'a'\nsecret_key_file = 'b'",
            "secret_key and secret_key_file do not go together",
        ),
        ("[nats]\nca_file = 'a'", "nats: ca_file: without TLS: url must begin with tls://"),
        ("[nats]\nurl = 'tls://n'\nkey_file = 'a'", "certificate_file and key_file go together"),
        ("[s3]\nca_file = 'a'", "s3: ca_file: without TLS: endpoint must begin with https://"),
        ("[gateway]\ncertificate_file = 'a'", "gateway: certificate_file and key_file go together"),
        ("[gateway]\nclient_ca_file = 'a'", "gateway: client_ca_file: without certificate_file"),
    ],
)
def test_what_does_not_go_together_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    assert complaint in caught.value.detail


def test_over_tls_the_links_in_events_say_so(tmp_path: Path) -> None:
    text = "[gateway]\nlisten = '127.0.0.1:8443'\ncertificate_file = 'a'\nkey_file = 'b'"
    assert load_settings(written(tmp_path, text)).gateway.base_url == "https://127.0.0.1:8443"
