"""TLS over DIMSE in the settings: what they say, and what is wrong with the files that they name."""

import datetime
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from isthmus.cli.named_files import check_files
from isthmus.common.config import Settings, load_settings
from isthmus.common.config.certificates import CIPHERS, client_context, out_of_time, server_context
from isthmus.common.config.tls import ListenerTls, PeerTls
from isthmus.common.errors import SettingsError
from tests.certificates import Authority, Identity, pem_of, rsa_key
from tests.common.config.settings_file import written

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def own(authority: Authority) -> Identity:
    return authority.signs("own")


def port(own: Identity, **settings: object) -> ListenerTls:
    chosen = {
        "listen": "127.0.0.1:2762",
        "certificate_file": own.certificate,
        "key_file": own.key,
        **settings,
    }
    return ListenerTls.model_validate(chosen)


def serve(own: Identity, setting: str, file: Path) -> ssl.SSLContext:
    return server_context(port(own, **{setting: file}))


def complaint(make: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the words are what is compared
        make()
    return str(caught.value)


def test_a_context_has_the_suites_of_the_profile_and_no_others(own: Identity) -> None:
    for context in (client_context(PeerTls()), server_context(port(own))):
        suites = {suite["name"] for suite in context.get_ciphers()}
        assert {name for name in suites if not name.startswith("TLS_")} == set(CIPHERS)
        assert {name for name in suites if name.startswith("TLS_")} == {
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_128_GCM_SHA256",
        }
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.maximum_version is ssl.TLSVersion.MAXIMUM_SUPPORTED
        assert context.security_level == 2


def test_who_is_called_is_always_verified(own: Identity) -> None:
    context = client_context(PeerTls(certificate_file=own.certificate, key_file=own.key))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({}, ssl.CERT_REQUIRED),
        ({"require_client_certificate": True}, ssl.CERT_REQUIRED),
        ({"require_client_certificate": False}, ssl.CERT_OPTIONAL),
    ],
)
def test_who_calls_is_verified_by_the_authority_of_the_settings(
    authority: Authority, own: Identity, settings: Mapping[str, object], mode: ssl.VerifyMode
) -> None:
    context = server_context(port(own, client_ca_file=authority.certificate, **settings))
    assert context.verify_mode is mode


def test_without_an_authority_nobody_is_asked(own: Identity) -> None:
    assert server_context(port(own)).verify_mode is ssl.CERT_NONE


def test_to_require_certificates_takes_an_authority(own: Identity) -> None:
    said = complaint(lambda: port(own, require_client_certificate=True))
    assert "require_client_certificate needs client_ca_file" in said


def test_a_certificate_goes_with_a_key(own: Identity) -> None:
    for one in ({"certificate_file": own.certificate}, {"key_file": own.key}):
        assert "certificate_file and key_file go together" in complaint(partial(PeerTls.model_validate, one))


def test_a_file_that_is_not_there_is_named(own: Identity, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.pem"
    reason = f"{nowhere}: No such file or directory"
    for name in ("certificate_file", "key_file", "client_ca_file"):
        assert complaint(partial(serve, own, name, nowhere)) == f"{name}: {reason}"
    assert complaint(lambda: client_context(PeerTls(ca_file=nowhere))) == f"ca_file: {reason}"
    assert "Is a directory" in complaint(lambda: client_context(PeerTls(ca_file=tmp_path)))


@pytest.mark.parametrize("content", [b"", b"s3cret", b"-----BEGIN CERTIFICATE-----\ns3cret\n", b"\xff\x00"])
def test_what_is_no_certificate_and_no_key_is_named_and_not_quoted(
    own: Identity, tmp_path: Path, content: bytes
) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_bytes(content)
    for name in ("certificate_file", "key_file", "client_ca_file"):
        said = complaint(partial(serve, own, name, broken))
        kind = "private key" if name == "key_file" else "certificates"
        assert said.startswith(f"{name}: {broken}: holds no {kind} (PEM)")
        assert "s3cret" not in said


def test_a_key_in_the_place_of_a_certificate_is_named(own: Identity) -> None:
    said = complaint(lambda: server_context(port(own, certificate_file=own.key)))
    assert said == f"certificate_file: {own.key}: holds no certificates (PEM) that can be read"


def test_the_key_of_another_is_named(own: Identity, authority: Authority) -> None:
    other = authority.signs("other", key=rsa_key("other"))
    said = complaint(lambda: server_context(port(own, key_file=other.key)))
    assert said == f"key_file: {other.key}: is not the key of {own.certificate}"


def test_a_key_with_a_passphrase_is_named(own: Identity) -> None:
    own.key.write_bytes(pem_of(rsa_key(), b"s3cret"))
    assert "needs a passphrase" in complaint(lambda: server_context(port(own)))


def test_a_key_that_is_too_short_is_named(authority: Authority) -> None:
    short = authority.signs("short", key=rsa_key("short", 1024))
    assert (
        complaint(lambda: server_context(port(short)))
        == f"certificate_file: {short.certificate}: ee key too small"
    )


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [(-2 * HOUR, -HOUR, "has expired ("), (HOUR, 2 * HOUR, "is not valid before ")],
)
def test_a_certificate_out_of_its_time_is_named_and_keeps_nobody_from_starting(
    authority: Authority, since: datetime.timedelta, until: datetime.timedelta, words: str
) -> None:
    own = authority.signs("untimely", since=since, until=until)
    server_context(port(own))
    (said,) = out_of_time(port(own))
    assert said.startswith(f"certificate_file: {own.certificate}: {words}")


def test_an_authority_that_has_expired_is_named(authority: Authority, own: Identity) -> None:
    expired = authority.signs("expired", since=-2 * HOUR, until=-HOUR).certificate
    (said,) = out_of_time(PeerTls(ca_file=expired))
    assert said.startswith(f"ca_file: {expired}: has expired")
    both = expired.with_name("both.pem")
    both.write_bytes(expired.read_bytes() + authority.certificate.read_bytes())
    assert not [*out_of_time(PeerTls(ca_file=both))]


TOML = """
[scp]
listen = ""
[scp.tls]
listen = "127.0.0.1:2762"
certificate_file = "{certificate}"
key_file = "{key}"
client_ca_file = "{authority}"
[[scp.callers]]
ae_title = "CT1"
host = "127.0.0.1"
port = 11114
[scp.callers.tls]
certificate_file = "{certificate}"
key_file = "{key}"
[[scp.destinations]]
ae_title = "WORKSTATION"
host = "127.0.0.1"
port = 11113
[scp.destinations.tls]
ca_file = "{authority}"
[[origins]]
name = "pacs"
ae_title = "PACS"
port = 104
[origins.tls]
server_name = "pacs.example.org"
certificate_file = "{certificate}"
key_file = "{key}"
"""


@pytest.fixture
def written_settings(authority: Authority, own: Identity, tmp_path: Path) -> Settings:
    text = TOML.format(certificate=own.certificate, key=own.key, authority=authority.certificate)
    return load_settings(written(tmp_path, text))


def test_it_is_in_the_settings_file(written_settings: Settings, own: Identity, authority: Authority) -> None:
    assert written_settings.scp.listen == ""
    assert written_settings.scp.tls == port(own, client_ca_file=authority.certificate)
    (destination,) = written_settings.scp.destinations
    assert destination.tls == PeerTls(ca_file=authority.certificate)
    (pacs,) = written_settings.dimse_origins
    assert pacs.tls is not None
    assert pacs.tls.server_name == "pacs.example.org"
    check_files(written_settings)


def test_every_file_that_cannot_be_used_is_named_before_anything_starts(
    written_settings: Settings, own: Identity, authority: Authority
) -> None:
    own.key.unlink()
    authority.certificate.write_text("")
    with pytest.raises(SettingsError) as caught:
        check_files(written_settings)
    no_key = f"key_file: {own.key}: No such file or directory"
    assert str(caught.value).splitlines() == [
        f"scp.tls.{no_key}",
        f"scp.callers[0].tls.{no_key}",
        f"scp.destinations[0].tls.ca_file: {authority.certificate}: "
        "holds no certificates (PEM) that can be read",
        f"origins[0].tls.{no_key}",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[scp]\nlisten = ""', "scp.listen: is empty, and there is no [scp.tls] either"),
        ('[scp.tls]\nlisten = "127.0.0.1:2762"', "scp.tls.certificate_file"),
        (
            '[scp.tls]\nlisten = "127.0.0.1:11112"\ncertificate_file = "a"\nkey_file = "b"',
            "scp.listen and scp.tls.listen are both 127.0.0.1:11112",
        ),
        (
            '[gateway]\nlisten = "127.0.0.1:11113"\n'
            '[scp.tls]\nlisten = "127.0.0.1:11113"\ncertificate_file = "a"\nkey_file = "b"',
            "gateway.listen and scp.tls.listen are both 127.0.0.1:11113",
        ),
        ('[scp.tls]\nlisten = ""\ncertificate_file = "a"\nkey_file = "b"', 'is no "host:port"'),
        ('[scp.tls]\ncertificat_file = "a"', "did you mean certificate_file?"),
    ],
)
def test_what_does_not_go_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    assert words in str(caught.value)
