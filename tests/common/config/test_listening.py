"""What must be so before anything listens beyond this machine."""

from pathlib import Path

import pytest

from isthmus.common.config import load_settings
from isthmus.common.errors import SettingsError

RULE = "[[access.rules]]\nuser = 'ann'\noperations = ['search']\n"
BEYOND = {
    "gateway.listen": "[gateway]\nlisten = '{}:8080'\n",
    "scp.listen": "[scp]\nlisten = '{}:11112'\n",
    "scp.tls.listen": "[scp.tls]\nlisten = '{}:2762'\ncertificate_file = 'c.pem'\nkey_file = 'k.pem'\n",
    "http.listen": "[http]\nlisten = '{}:8000'\n",
}


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
        ("[s3]\nendpoint = 'minio:abc'", 's3.endpoint: is no "host:port" and no URL without a path'),
        ("[gateway]\ncertificate_file = 'a'", "gateway: certificate_file and key_file go together"),
        ("[gateway]\nclient_ca_file = 'a'", "gateway: client_ca_file: without certificate_file"),
    ],
)
def test_what_does_not_go_together_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    assert complaint in caught.value.detail


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.1.2.3/0"])
def test_not_everybody_is_a_trusted_proxy(tmp_path: Path, network: str) -> None:
    with pytest.raises(SettingsError, match=rf"gateway: trusted_proxies: {network} is everybody"):
        load_settings(written(tmp_path, f"[gateway]\ntrusted_proxies = ['{network}']"))


def test_over_tls_the_links_in_events_say_so(tmp_path: Path) -> None:
    text = "[gateway]\nlisten = '127.0.0.1:8443'\ncertificate_file = 'a'\nkey_file = 'b'"
    assert load_settings(written(tmp_path, text)).gateway.base_url == "https://127.0.0.1:8443"
