"""TLS with the real nats-server, and a service's parts over it."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.bus import Bus, client
from isthmus.common.bus.connection import tls_context
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable, SettingsError
from tests.certificates import Authority, Identity, ec_key
from tests.secure_servers import SecureNats
from tests.servers import started


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Identity:
    return authority.signs("nats")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, own: Identity) -> Iterator[SecureNats]:
    with started(SecureNats(tmp_path_factory.mktemp("nats"), own)) as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that cannot come about is given up at once."""
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", 0.5)


async def test_a_server_is_verified_by_the_file_that_the_settings_name(
    server: SecureNats, authority: Authority
) -> None:
    bus = await Bus.connect(server.settings(ca_file=authority.certificate), "qido")
    assert bus.connected
    await bus.close()


async def test_a_server_that_another_authority_vouches_for_hears_no_password(
    server: SecureNats, tmp_path: Path, impatient: None
) -> None:
    with pytest.raises(BusUnavailable, match="No connection to NATS"):
        await Bus.connect(server.settings(ca_file=Authority(tmp_path, "stranger").certificate), "qido")


async def test_a_certificate_is_for_the_host_that_is_named(
    server: SecureNats, authority: Authority, impatient: None
) -> None:
    settings = server.settings(ca_file=authority.certificate)
    elsewhere = settings.model_copy(update={"url": settings.url.replace("127.0.0.1", "localhost")})
    with pytest.raises(BusUnavailable, match="No connection to NATS"):
        await Bus.connect(elsewhere, "qido")


async def test_to_a_server_without_tls_nothing_is_said(
    nats_settings: Nats, authority: Authority, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """nats-py would log in to it: whoever is on the way need only leave out `tls_required`."""
    where = nats_settings.url.removeprefix("nats://")
    over_tls = {"url": f"tls://ann:hunter2@{where}", "ca_file": authority.certificate}
    with pytest.raises(BusUnavailable, match=f"No connection to NATS at {where}: ServerWithoutTls"):
        await Bus.connect(nats_settings.model_copy(update=over_tls), "qido")
    said = capsys.readouterr().out
    assert "ServerWithoutTls" in said
    assert f"server={where}" in said.replace('"', "").replace(": ", "=")
    assert "hunter2" not in said
    assert nats_settings.password not in said


async def test_a_server_may_want_to_know_us_by_a_certificate(
    tmp_path: Path, authority: Authority, own: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = authority.signs("qido")
    async with SecureNats(tmp_path, own, authority.certificate) as server:
        trusting = {"ca_file": authority.certificate}
        identified = {"certificate_file": ours.certificate, "key_file": ours.key}
        bus = await Bus.connect(server.settings(**trusting, **identified), "qido")
        assert bus.connected
        await bus.close()
        monkeypatch.setattr(client, "CONNECT_TIMEOUT", 0.5)
        with pytest.raises(BusUnavailable, match="No connection to NATS"):
            await Bus.connect(server.settings(**trusting), "qido")


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("ca_file", r"^nats\.ca_file: .*/none\.pem: No such file"),
        ("certificate_file", r"^nats\.certificate_file, key_file: .*/none\.pem, .*No such file"),
    ],
)
async def test_a_file_that_is_not_there_is_named(tmp_path: Path, file: str, complaint: str) -> None:
    files = {file: tmp_path / "none.pem"}
    if file == "certificate_file":
        files["key_file"] = tmp_path / "none.key"
    with pytest.raises(SettingsError, match=complaint):
        await Bus.connect(Nats.model_validate({"url": "tls://127.0.0.1:1", **files}), "qido")


async def test_a_key_that_is_another_ones_is_named(
    tmp_path: Path, authority: Authority, own: Identity
) -> None:
    another = Authority(tmp_path).signs("another", key=ec_key())
    files = {"certificate_file": own.certificate, "key_file": another.key}
    with pytest.raises(SettingsError, match="holds no pair that fits"):
        await Bus.connect(Nats.model_validate({"url": "tls://127.0.0.1:1", **files}), "qido")


def test_no_version_before_1_2_is_spoken(authority: Authority) -> None:
    context = tls_context(Nats(url="tls://127.0.0.1:1", ca_file=authority.certificate))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
