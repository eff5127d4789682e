"""The settings of a DICOMweb origin."""

from pathlib import Path

import pytest

from isthmus.common.config import Acknowledge, DicomwebOrigin, load_settings
from isthmus.common.errors import SettingsError
from tests.common.config.settings_file import written

ORIGIN = """
[[origins]]
name = "cloud"
protocol = "dicomweb"
ae_title = "CLOUD"
url = "https://dicomweb.example.org/dicom-web/"
"""
OAUTH2 = """
[origins.oauth2]
token_url = "https://login.example.org/token"
client_id = "isthmus"
client_secret_file = "/run/secrets/isthmus"
"""


def read(directory: Path, text: str) -> DicomwebOrigin:
    (origin,) = load_settings(written(directory, text)).origins
    assert isinstance(origin, DicomwebOrigin)
    return origin


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    origin = read(tmp_path, ORIGIN)
    assert origin.url == "https://dicomweb.example.org/dicom-web"
    assert (origin.connections, origin.timeout_seconds, origin.http2) == (4, 30, True)
    assert origin.acknowledge is Acknowledge.ORIGIN
    assert (origin.user, origin.token_file, origin.oauth2, origin.proxy, origin.ca_file) == (None,) * 5


def test_all_that_can_be_said(tmp_path: Path) -> None:
    more = """
connections = 8
timeout_seconds = 10
certificate_file = "us.pem"
key_file = "us.key"
ca_file = "ca.pem"
proxy = "http://me:s3cret@proxy.example.org:3128/"
http2 = false
acknowledge = "spool"
"""
    origin = read(tmp_path, ORIGIN + more + OAUTH2 + 'scope = "dicom.read"')
    assert origin.oauth2 is not None
    assert (origin.oauth2.client_id, origin.oauth2.scope) == ("isthmus", "dicom.read")
    assert origin.proxy == "http://me:s3cret@proxy.example.org:3128"
    assert origin.acknowledge is Acknowledge.SPOOL
    assert "s3cret" not in repr(origin)


def test_it_is_in_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "ISTHMUS_ORIGINS", '[{"name": "c", "protocol": "dicomweb", "ae_title": "C", "url": "http://c"}]'
    )
    (origin,) = load_settings(None).origins
    assert isinstance(origin, DicomwebOrigin)


@pytest.mark.parametrize("host", ["localhost:8042", "127.0.0.1:8042", "[::1]:8042"])
def test_on_this_machine_a_token_may_travel_without_tls(tmp_path: Path, host: str) -> None:
    here = ORIGIN.replace("https://dicomweb.example.org", f"http://{host}")
    assert read(tmp_path, here + 'token_file = "x"').token_file == Path("x")


def test_a_password_may_travel_without_tls_where_the_network_is_trusted(tmp_path: Path) -> None:
    text = ORIGIN.replace("https:", "http:") + "user = 'me'\npassword_file = 'x'"
    assert read(tmp_path, text).user == "me"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ORIGIN.replace("url", "urll"), "origins[0].urll is no setting; did you mean url?"),
        (ORIGIN.replace("url =", "#"), "origins[0].url: is missing"),
        (ORIGIN.replace("https:", "ftp:"), "origins[0].url: is no URL that begins with http:// or https://"),
        (ORIGIN.replace("//dicomweb", "//me:s3cret@dicomweb"), "url: must hold no user and no password"),
        (ORIGIN.replace("web/", "web?s3cret=1"), "url: must have neither query nor fragment"),
        (ORIGIN.replace("web/", "web#s3cret"), "url: must have neither query nor fragment"),
        (ORIGIN + "connections = 0", "origins[0].connections: Input should be greater"),
        (ORIGIN + "connections = 65", "origins[0].connections: Input should be less"),
        (ORIGIN + "timeout_seconds = 0", "origins[0].timeout_seconds: Input should be greater"),
        (ORIGIN + "user = 'me'", "origins[0]: user and password_file go together"),
        (ORIGIN + "password_file = 's3cret'", "origins[0]: user and password_file go together"),
        (ORIGIN + "user = 'm:e'\npassword_file = 'x'", "origins[0].user: String should match"),
        (ORIGIN + "key_file = 'x'", "origins[0]: certificate_file and key_file go together"),
        (ORIGIN + "token_file = 'x'" + OAUTH2, "of user, token_file and oauth2 only one says who we are"),
        (ORIGIN + OAUTH2.replace("client_id", "client"), "origins[0].oauth2.client is no setting"),
        (ORIGIN + OAUTH2.replace("https:", "file:"), "origins[0].oauth2.token_url: is no URL"),
        (ORIGIN + "proxy = 'me:s3cret@proxy'", "origins[0].proxy: is no URL"),
        (ORIGIN + "proxy = 'http://me:s3cret@proxy/path'", "origins[0].proxy: is no URL of a proxy"),
        (ORIGIN + "proxy = 'socks5://me:s3cret@proxy'", "origins[0].proxy: is no URL"),
        (
            ORIGIN.replace("https:", "http:") + "token_file = 'x'",
            "origins[0]: url must begin with https://: the token would travel in clear",
        ),
        (ORIGIN.replace("https:", "http:") + OAUTH2, "origins[0]: url must begin with https://: the token"),
        (
            ORIGIN + OAUTH2.replace("https:", "http:"),
            "origins[0]: oauth2.token_url must begin with https://: the secret would travel in clear",
        ),
        (
            ORIGIN.replace("https:", "http:") + "certificate_file = 'x'\nkey_file = 'y'",
            "origins[0]: url must begin with https://: certificate_file is for TLS",
        ),
        (ORIGIN + "acknowledge = 'never'", "origins[0].acknowledge: Input should be 'origin' or 'spool'"),
        (ORIGIN + "http2 = 'perhaps'", "origins[0].http2: Input should be a valid boolean"),
        (ORIGIN + "port = 4242", 'origins[0].port is no setting with protocol = "dicomweb"'),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert complaint in caught.value.detail
    assert "s3cret" not in caught.value.detail


@pytest.mark.parametrize("path", ["mwlitems", "modality-scheduled-procedure-steps", "worklists/CT_1"])
def test_its_worklist_is_a_resource_below_its_url(tmp_path: Path, path: str) -> None:
    assert read(tmp_path, f'{ORIGIN}worklist = "{path}"').worklist == path


@pytest.mark.parametrize(
    "path", ["", "/mwlitems", "mwlitems/", "../mwlitems", "mwl?x=1", "http://x/mwl", "a//b"]
)
def test_what_is_no_path_of_a_resource_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(SettingsError, match=r"worklist: is no path of a resource below url"):
        read(tmp_path, f'{ORIGIN}worklist = "{path}"')
