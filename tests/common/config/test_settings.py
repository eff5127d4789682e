import re
from pathlib import Path

import pytest

from isthmus.common.config import DimseOrigin, Quirk, RetrieveMethod, load_settings
from isthmus.common.config.origins import KINDS
from isthmus.common.errors import SettingsError
from tests.common.config.settings_file import written

ORIGIN = """
[[origins]]
name = "pacs"
ae_title = "ORTHANC"
port = 4242
"""
INBOX = """
[[origins]]
name = "inbox"
protocol = "inbox"
ae_title = "INBOX"
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[gatway]\nlisten = '127.0.0.1:1'", "gatway is no setting; did you mean gateway?"),
        ("[gateway]\nlistn = '127.0.0.1:1'", "gateway.listn is no setting; did you mean listen?"),
        (ORIGIN + "asociations = 2", "origins[0].asociations is no setting; did you mean associations?"),
        ("[up.replicas]\ndimse-scp = 2", "up.replicas.dimse-scp is no setting; did you mean dimse-scu?"),
        ("[gateway]\nlisten = '8080'", 'gateway.listen: is no "host:port"'),
        ("[s3]\nbucket = 'is'", "s3.bucket: is no name of a bucket: 3 to 63 letters"),
        ("[telemetry]\nsample = 10", "telemetry.sample: "),
        ("[telemetry]\notlp = 'collector:4318'", "telemetry.otlp: "),
        ("[telemetry]\notlp = 'http://user:secret@collector:4318'", "telemetry.otlp: "),
        ("[gateway]\nlisten = '0.0.0.0:8080'", "gateway.listen: 0.0.0.0:8080 is no loopback address"),
        ("[gateway]\nlisten = 'hospital:8080'", "gateway.listen: 'hospital' is no IP address"),
        (
            "[gateway]\ncors_origins = ['example.org']",
            'gateway.cors_origins[0]: is neither "*" nor a web origin',
        ),
        (f"{ORIGIN}[dicomweb]\nstore = 'vna'", "dicomweb.store: no origin is named 'vna'"),
        ("[scp]\nae_title = 'A TITLE THAT IS TOO LONG'", "scp.ae_title: is no AE title"),
        (ORIGIN.replace("4242", "70000"), "origins[0].port: Input should be less than or equal to 65535"),
        (ORIGIN.replace('"pacs"', '"PACS"'), "origins[0].name: String should match pattern"),
        (ORIGIN.replace('"pacs"', '"all"'), "origins[0]: the name 'all' is reserved"),
        (ORIGIN + ORIGIN, "isthmus.toml: origins[1].name: 'pacs' is origins[0].name too"),
        (
            INBOX + INBOX.replace('"inbox"', '"b"', 1),
            "origins[1].ae_title: 'INBOX' is origins[0].ae_title too",
        ),
        (INBOX.replace("INBOX", "ISTHMUS"), "origins[0].ae_title: 'ISTHMUS' is scp.ae_title too"),
        (
            INBOX + "[dicomweb]\nae_title = 'INBOX'",
            "origins[0].ae_title: 'INBOX' is dicomweb.ae_title too",
        ),
        (
            ORIGIN + "[dicomweb]\nae_title = 'ORTHANC'",
            "origins[0].ae_title: 'ORTHANC' is dicomweb.ae_title too",
        ),
        ("[dicomweb]\nae_title = 'ISTHMUS'", "dicomweb.ae_title: 'ISTHMUS' is scp.ae_title too"),
        (
            "[[scp.callers]]\nae_title = 'A'\noperations = ['echo']\norigins = ['pacs']",
            "scp.callers[0]: operations, origins: who may do what is said by [[access.rules]]",
        ),
        ("[arrivals]\nquiet_seconds = true", "arrivals.quiet_seconds: must not be true"),
        ("[[scp.callers]]\nae_title = 'A'\nhost = ''\nport = 104", "scp.callers[0].host: is neither a name"),
        (
            INBOX + "[[arrivals.forward]]\nto = ['inbox']",
            "arrivals.forward[0].to: 'inbox' would forward to itself",
        ),
        (
            ORIGIN + INBOX + "[[arrivals.forward]]\ninbox = 'inbox'\nto = ['pacs', 'inbox']",
            "arrivals.forward[0].to: 'inbox' would forward to itself",
        ),
        (ORIGIN + "retrieve = ['c-put']", "origins[0].retrieve[0]: Input should be 'c-get' or 'c-move'"),
        (ORIGIN + "character_set = 'UTF-8'", "origins[0].character_set: 'UTF-8' is no defined term"),
        (
            ORIGIN + "quirks = ['no-cancle']",
            "origins[0].quirks[0]: 'no-cancle' is no quirk; did you mean no-cancel?",
        ),
        (ORIGIN + "quirks = ['x']", "origins[0].quirks[0]: 'x' is no quirk"),
        (ORIGIN + "quirks = 'no-cancel'", "origins[0].quirks: must be a list"),
        (ORIGIN + "retrieve = []", "origins[0].retrieve: must not be an empty list"),
        (
            "[gateway]\nlisten = '127.0.0.1:8080'\n[scp]\nlisten = '127.0.0.1:8080'",
            "gateway.listen and scp.listen are both 127.0.0.1:8080",
        ),
        ("origins = 5", "isthmus.toml: origins: must be a list"),
        ("origins = ['pacs']", "isthmus.toml: origins[0]: must be a table"),
        ("[origins]\nname = 'pacs'", "isthmus.toml: origins: must be a list of tables: [[origins]]"),
        (
            "[arrivals.forward]\nto = ['a']",
            "arrivals.forward: must be a list of tables: [[arrivals.forward]]",
        ),
        ("arrivals = 30", "isthmus.toml: arrivals: must be a table"),
        (ORIGIN.replace('ae_title = "ORTHANC"', ""), "origins[0].ae_title: is missing"),
        (INBOX + "host = 'pacs'", 'origins[0].host is no setting with protocol = "inbox"'),
        (ORIGIN + "keep_days = 3", 'origins[0].keep_days is no setting with protocol = "dimse"'),
        (INBOX + "keepdays = 3", "origins[0].keepdays is no setting; did you mean keep_days?"),
        (INBOX + "keep_days = inf", "origins[0].keep_days: Input should be a finite number"),
        (INBOX + "expect = 'pacs'", "isthmus.toml: origins[0].expect: 'pacs' is none of the PACS"),
        ("[gateway", "is no TOML"),
        ("[nats]\nurl = 'nats://127.0.0.1:x'", "nats.url: is no URL of NATS: nats:// or tls://, a host"),
        ("[nats]\nurl = 'http://127.0.0.1:4222'", "nats.url: is no URL of NATS"),
        ("[nats]\nurl = ''", "nats.url: is no URL of NATS"),
        (ORIGIN + "host = 'pacs.example.org:104'", "origins[0].host: is neither a name nor an IP address"),
        (ORIGIN + "host = 'dicom://pacs'", "origins[0].host: is neither a name nor an IP address"),
        (ORIGIN + "[origins.tls]\nserver_name = 'a b'", "origins[0].tls.server_name: is neither a name"),
        ("[audit.syslog]\nhost = '[::1]'", "audit.syslog.host: is neither a name nor an IP address"),
        ("[[scp.callers]]\nae_title = 'A'\nhost = 'a:1'\nport = 1", "scp.callers[0].host: is neither a name"),
        (
            "[[scp.destinations]]\nae_title = 'A'\nhost = 'a:1'\nport = 1",
            "scp.destinations[0].host: is neither a name",
        ),
        (
            "[scp.tls]\nlisten = '127.0.0.1:0'\ncertificate_file = 5\nkey_file = 'key'",
            "scp.tls.certificate_file: must be the path of a file, in quotation marks",
        ),
        (
            "[scp.tls]\nlisten = '127.0.0.1:0'\nca_file = 'ca'",
            "scp.tls.ca_file is no setting; did you mean client_ca_file?",
        ),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    assert complaint in caught.value.detail
    assert "isthmus.toml" in caught.value.detail


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "isthmsu.toml")
    assert caught.value.detail == f"{tmp_path / 'isthmsu.toml'}: there is no such file"


@pytest.mark.parametrize("host", ["pacs", "pacs_1", "pacs.example.org.", "10.1.0.5", "::1", "fe80::1%eth0"])
def test_a_host_is_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    (origin,) = load_settings(written(tmp_path, ORIGIN + f"host = '{host}'")).dimse_origins
    assert origin.host == host


def test_of_an_origin_whose_protocol_is_unknown_nothing_else_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, INBOX.replace('"inbox"\nae', '"inbxo"\nae') + "keep_days = 3")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    known = " or ".join(KINDS)
    assert caught.value.detail == f"{path}: origins[0].protocol: 'inbxo' is no protocol: {known}"


def test_a_secret_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, "[s3]\nsecret_key = ['hunter2']"))
    assert "hunter2" not in caught.value.detail


def test_an_unknown_environment_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_GATEWY__LISTEN", "127.0.0.1:1")
    with pytest.raises(SettingsError, match="did you mean ISTHMUS_GATEWAY"):
        load_settings(None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ISTHMUS_ORIGINS", "[{"),
        ("ISTHMUS_ORIGINS", "pacs"),
        ("ISTHMUS_ARRIVALS__WEBHOOKS", '[{"secret": "hunter2"'),
    ],
)
def test_an_environment_value_that_is_no_json_is_named_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(None)
    assert caught.value.detail == f"environment: {name} is no JSON"


def test_a_text_in_the_environment_may_begin_as_json_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_S3__SECRET_KEY", "[hunter2")
    assert load_settings(None).s3.secret_key == "[hunter2"


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("ISTHMUS_GATEWAY__LISTN", "127.0.0.1:1", "gateway.listn"),
        ("ISTHMUS_ORIGINS", '[{"name": "pacs", "ae_title": "A"}]', "origins[0].port"),
    ],
)
def test_what_is_wrong_in_the_environment_is_not_looked_for_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, key: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"^environment: {re.escape(key)}"):
        load_settings(written(tmp_path, "[up.replicas]\nwado = 2"))


def test_a_rule_for_several_inboxes_may_gather_them_in_one(tmp_path: Path) -> None:
    text = INBOX + INBOX.replace("inbox", "b", 1).replace("INBOX", "B")
    settings = load_settings(written(tmp_path, text + "[[arrivals.forward]]\nto = ['inbox']"))
    assert settings.arrivals.forward[0].to == ("inbox",)


def test_a_pacs_may_have_the_ae_title_of_an_inbox(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, INBOX + ORIGIN.replace("ORTHANC", "INBOX")))
    assert len({origin.ae_title for origin in settings.origins}) == 1


def test_any_free_port_may_be_asked_for_twice(tmp_path: Path) -> None:
    text = "[gateway]\nlisten = '127.0.0.1:0'\n[scp]\nlisten = '127.0.0.1:0'"
    assert load_settings(written(tmp_path, text)).scp.listen == "127.0.0.1:0"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_GATEWAY__LISTEN", "127.0.0.1:9999")
    monkeypatch.setenv("ISTHMUS_UP__REPLICAS__DIMSE-SCU", "3")
    settings = load_settings(written(tmp_path, "[gateway]\nlisten = '127.0.0.1:1'\n[up.replicas]\nwado = 2"))
    assert settings.gateway.listen == "127.0.0.1:9999"
    assert settings.up.replicas.wado == 2
    assert settings.up.replicas.dimse_scu == 3


def test_quirks_are_known_by_their_names(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, ORIGIN + "quirks = ['no-cancel', 'wrong-counts']"))
    (origin,) = settings.origins
    assert isinstance(origin, DimseOrigin)
    assert origin.quirks == {Quirk.NO_CANCEL, Quirk.WRONG_COUNTS}


def test_a_list_in_the_environment_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_ORIGINS", '[{"name": "a", "ae_title": "A", "port": 104}]')
    (origin,) = load_settings(None).origins
    assert isinstance(origin, DimseOrigin)
    assert origin.name == "a"
    assert origin.port == 104
    assert origin.retrieve == (RetrieveMethod.C_GET, RetrieveMethod.C_MOVE)


def test_without_a_file_the_defaults_hold() -> None:
    settings = load_settings(None)
    assert settings.gateway.listen == "127.0.0.1:8080"
    assert settings.origins == ()
