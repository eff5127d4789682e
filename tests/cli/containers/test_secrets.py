"""Secrets as files: what is made, for whom, and that it stays."""

import json
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from isthmus.cli.containers.certificate import keep_certificate
from isthmus.cli.containers.secret_files import Kind
from isthmus.cli.containers.secrets import make_secrets
from isthmus.cli.main import app
from isthmus.cli.run_file import RunFile
from isthmus.common.blobs.rights import SERVICES
from isthmus.common.config import Settings
from isthmus.common.errors import SettingsError
from tests.certificates import Authority
from tests.compose.files import COMPOSE, services

OF_EACH = {"nats_password", "s3_secret_key", "signing_key", "metrics_key"}
OF_FACES = {"link_key", "operator_key", "gateway_secret"}


def made(
    folder: Path, renew: tuple[Kind, ...] = (), *, host: str = "localhost", given: Path | None = None
) -> None:
    make_secrets(folder, Settings(), host=host, given=given, renew=renew)


def held(folder: Path) -> Mapping[str, str]:
    """Each file, by its path."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def hosts_of(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def test_each_service_finds_the_files_that_its_container_names(tmp_path: Path) -> None:
    made(tmp_path)
    for name in SERVICES:
        environment = services()[name].environment
        named = {Path(value).name for key, value in environment.items() if key.endswith("_FILE")}
        named.discard("isthmus.toml")
        assert {path.name for path in (tmp_path / name).iterdir()} == named


def test_nobody_but_their_owner_reads_them(tmp_path: Path) -> None:
    made(tmp_path)
    for path in tmp_path.rglob("*"):
        assert not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO), path


def test_what_several_know_is_one_and_what_each_has_is_its_own(tmp_path: Path) -> None:
    made(tmp_path)
    files = held(tmp_path)
    for kind in ("signing_key", "link_key", "operator_key", "metrics_key", "gateway_secret"):
        values = {text for path, text in files.items() if path.endswith(f"/{kind}")}
        assert len(values) == 1
        assert len(values.pop()) >= 32
    for kind in ("nats_password", "s3_secret_key"):
        values = {text for path, text in files.items() if path.endswith(f"/{kind}")}
        assert len(values) == len(SERVICES) + 1


def test_what_is_there_stays_and_what_is_lost_comes_back(tmp_path: Path) -> None:
    made(tmp_path)
    before = held(tmp_path)
    made(tmp_path)
    assert held(tmp_path) == before
    for name in ("wado/signing_key", "nats/passwords.conf", "operator/system.json"):
        (tmp_path / name).unlink()
    made(tmp_path)
    assert held(tmp_path) == before


def test_the_folder_of_the_operator_brings_back_what_all_know(tmp_path: Path) -> None:
    """It is what a backup has: what waits in NATS is signed by one of these."""
    made(tmp_path / "before")
    known = held(tmp_path / "before")
    (after := tmp_path / "after").mkdir()
    (tmp_path / "before" / "operator").rename(after / "operator")
    made(after)
    for name in ("arrivals/signing_key", "scp/link_key", "qido/operator_key"):
        assert (after / name).read_text() == known[name]


@pytest.mark.parametrize("kind", Kind)
def test_one_can_be_renewed_and_no_other_is(tmp_path: Path, kind: Kind) -> None:
    made(tmp_path)
    before = held(tmp_path)
    made(tmp_path, (kind,))
    after = held(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    derived = {"nats/passwords.conf", "s3/s3.json", "s3/minio.env", "operator/system.json"}
    own = {"gateway/gateway.pem", "gateway/gateway.key", "gateway/authority.pem", "operator/gateway.pem"}
    assert changed
    if kind is Kind.CERTIFICATE:
        assert changed == own
    else:
        assert {Path(name).name for name in changed - derived} == {kind}
    made(tmp_path)
    assert held(tmp_path) == after


def test_two_that_differ_are_named_and_not_shown(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "stow" / "signing_key").write_text("another of at least thirty-two characters")
    with pytest.raises(SettingsError) as caught:
        made(tmp_path)
    assert "stow/signing_key" in caught.value.detail
    assert "--renew signing_key" in caught.value.detail
    assert "another" not in caught.value.detail.replace("makes another", "")


def test_nats_and_s3_know_what_the_services_show(tmp_path: Path) -> None:
    made(tmp_path)
    passwords = (tmp_path / "nats" / "passwords.conf").read_text()
    identities = json.loads((tmp_path / "s3" / "s3.json").read_text())["identities"]
    for name in SERVICES:
        password = (tmp_path / name / "nats_password").read_text()
        assert f'NATS_{name.upper().replace("-", "_")}_PASSWORD: "{password}"\n' in passwords
        (identity,) = [one for one in identities if one["name"] == name]
        assert identity["credentials"] == [
            {"accessKey": name, "secretKey": (tmp_path / name / "s3_secret_key").read_text()}
        ]
    root = (tmp_path / "operator" / "s3_secret_key").read_text()
    assert f'MINIO_ROOT_PASSWORD="{root}"' in (tmp_path / "s3" / "minio.env").read_text()


def test_the_commands_find_the_system(tmp_path: Path) -> None:
    made(tmp_path)
    run = RunFile.read(tmp_path / "operator")
    assert run.gateway == "https://gateway:8443"
    assert run.key == (tmp_path / "qido" / "operator_key").read_text()
    assert run.metrics_key == (tmp_path / "scp" / "metrics_key").read_text()
    assert run.nats.password == (tmp_path / "operator" / "nats_password").read_text()
    assert run.certificate == tmp_path / "operator" / "gateway.pem"
    assert {run.gateway.rpartition("/")[2].partition(":")[0], run.scp.host} <= services().keys()


def test_the_commands_are_who_the_settings_say_at_servers_that_others_run(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cr3t-of-the-operator")
    files = {f"{name}_file": Path(f"/tls/{name}.pem") for name in ("ca", "certificate", "key")}
    nats = {"url": "tls://nats.example.org", "user": "ann", "password": "pw", **files}
    s3 = {"endpoint": "https://s3.example.org", "access_key": "AKIAEXAMPLE", "ca_file": "/ca/s3.pem"}
    settings = Settings.model_validate({"nats": nats, "s3": {**s3, "secret_key_file": tmp_path / "key"}})
    make_secrets(tmp_path / "made", settings, host="localhost")
    run = RunFile.read(tmp_path / "made" / "operator")
    assert run.nats.model_dump() == nats
    assert (run.s3.endpoint, run.s3.ca_file) == ("https://s3.example.org", Path("/ca/s3.pem"))
    assert (run.s3.access_key, run.s3.secret_key) == ("AKIAEXAMPLE", "s3cr3t-of-the-operator")


@pytest.mark.parametrize("host", ["isthmus.example.org", "10.1.2.3"])
def test_the_certificate_is_for_where_clients_go(tmp_path: Path, host: str) -> None:
    made(tmp_path, host=host)
    certificate = x509.load_pem_x509_certificate((tmp_path / "gateway" / "gateway.pem").read_bytes())
    assert hosts_of(certificate) == {host, "localhost", "127.0.0.1", "gateway"}
    context = ssl.create_default_context(cafile=tmp_path / "gateway" / "authority.pem")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    (authority,) = context.get_ca_certs()
    assert authority["subject"] != certificate.subject


def test_another_name_makes_another_certificate_and_the_same_none(tmp_path: Path) -> None:
    for host in ("localhost", "isthmus.example.org", "10.1.2.3"):
        made(tmp_path, host=host)
        before = held(tmp_path)
        certificate = x509.load_pem_x509_certificate(before["gateway/gateway.pem"].encode())
        assert hosts_of(certificate) == {host, "localhost", "127.0.0.1", "gateway"}
        assert before["operator/gateway.pem"] == before["gateway/gateway.pem"]
        made(tmp_path, host=host)
        assert held(tmp_path) == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"], ids=["empty", "no-text"])
@pytest.mark.parametrize("name", ["gateway/gateway.pem", "gateway/gateway.key", "nats/passwords.conf"])
def test_what_a_full_disk_has_broken_is_made_anew(name: str, content: bytes, tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / name).write_bytes(content)
    made(tmp_path)
    whole = held(tmp_path)
    assert len(whole[name]) > 100
    assert whole["operator/gateway.pem"] == whole["gateway/gateway.pem"]
    made(tmp_path)
    assert held(tmp_path) == whole


def test_a_certificate_that_was_given_once_and_is_none_any_more_is_named(tmp_path: Path) -> None:
    keep_certificate(tmp_path, "localhost", None)
    (tmp_path / "authority.pem").unlink()
    (tmp_path / "gateway.pem").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"gateway\.pem: is no certificate"):
        keep_certificate(tmp_path, "localhost", None)


def test_a_certificate_that_is_given_counts_and_its_successor_too(tmp_path: Path) -> None:
    (given := tmp_path / "given").mkdir()
    for number in (1, 2):
        identity = Authority(tmp_path / f"{number}").signs("gateway")
        (given / "gateway.pem").write_text(identity.certificate.read_text())
        (given / "gateway.key").write_text(identity.key.read_text())
        made(tmp_path / "secrets", given=given)
        for folder in ("gateway", "operator"):
            shown = (tmp_path / "secrets" / folder / "gateway.pem").read_text()
            assert shown == identity.certificate.read_text()
    assert not (tmp_path / "secrets" / "gateway" / "authority.pem").exists()
    before = held(tmp_path / "secrets")
    made(tmp_path / "secrets", host="isthmus.example.org")
    assert held(tmp_path / "secrets") == before


def test_a_certificate_without_its_key_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    keep_certificate(tmp_path, "localhost", None)
    before = held(tmp_path)
    (given := tmp_path / "given").mkdir()
    (given / "gateway.pem").write_text(before["gateway.pem"])
    with pytest.raises(SettingsError, match=r"gateway\.key"):
        keep_certificate(tmp_path, "localhost", given)
    assert {name: text for name, text in held(tmp_path).items() if "given" not in name} == before


def test_the_command_says_what_is_wrong_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CliRunner().invoke
    assert run(app, ["secrets", str(tmp_path / "a"), "--host", "not a host"]).exit_code == 2
    (config := tmp_path / "isthmus.toml").write_text("[gatway]\n")
    wrong = run(app, ["secrets", str(tmp_path / "a"), "--config", str(config)])
    assert wrong.exit_code == 2
    assert "gatway is no setting" in wrong.output
    assert not (tmp_path / "a").exists()
    monkeypatch.setenv("ISTHMUS_CONFIG", str(COMPOSE / "settings" / "isthmus.toml"))
    assert run(app, ["secrets", str(tmp_path / "a")]).exit_code == 0
    assert [origin.name for origin in RunFile.read(tmp_path / "a" / "operator").origins] == ["pacs"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "qido").write_text("a file")
    with pytest.raises(SettingsError, match="qido"):
        made(tmp_path)
