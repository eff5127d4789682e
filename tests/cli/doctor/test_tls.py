"""TLS with a PACS, in each way in which it fails."""

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.cli.doctor import Cause, Side
from isthmus.common.config.settings import Scp
from tests.certificates import Authority, Identity
from tests.cli.doctor.examining import Heard, examined, pacs
from tests.common.dimse.acceptor import acceptor
from tests.common.dimse.pki import Pki
from tests.data_sets import make_series
from tests.peers import Orthanc, Peer, free_port

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.of(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def us() -> Peer:
    return Peer("ISTHMUS", "127.0.0.1", free_port())


@pytest.fixture(scope="module")
def secure(pki: Pki, us: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An Orthanc that wants certificates, and sends to us with TLS."""
    directory = tmp_path_factory.mktemp("secure")
    destination = {"AET": us.ae_title, "Host": us.host, "Port": us.port, "UseDicomTls": True}
    tls = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(pki.pacs.certificate),
        "DicomTlsPrivateKey": str(pki.pacs.key),
        "DicomTlsTrustedCertificates": str(pki.authority.certificate),
        "DicomTlsRemoteCertificateRequired": True,
        "DicomModalities": {"isthmus": destination},
    }
    with Orthanc(directory / "pacs", tls=tls) as running:
        running.load(make_series(directory, 1))
        yield running


def tls_of(pki: Pki, **other: object) -> dict[str, object]:
    """Give our side, as it should be but for this."""
    pki.us.key.chmod(0o600)
    ours = {"certificate_file": pki.us.certificate, "key_file": pki.us.key}
    chosen = {"ca_file": pki.authority.certificate, **ours, **other}
    return {name: value for name, value in chosen.items() if value is not None}


async def test_nothing_is_wrong_with_orthanc_over_tls(
    secure: Orthanc, pki: Pki, us: Peer, tmp_path: Path
) -> None:
    settings = pacs(secure.peer, us, tls=tls_of(pki))
    heard = await examined({**settings, "scp": scp_with_tls(us, pki)}, tmp_path)
    assert heard.findings == []
    assert heard.unclear == []


async def test_a_destination_that_is_not_known_over_tls(secure: Orthanc, pki: Pki, tmp_path: Path) -> None:
    nowhere = Peer("NOWHERE", "127.0.0.1", free_port())
    heard = await examined(pacs(secure.peer, nowhere, tls=tls_of(pki)), tmp_path)
    heard.only(Cause.MOVE_DESTINATION_UNKNOWN, Side.THEIRS, '"AET": "NOWHERE"')


async def test_our_port_is_in_clear_and_the_pacs_sends_with_tls(
    secure: Orthanc, pki: Pki, us: Peer, tmp_path: Path
) -> None:
    heard = await examined(pacs(secure.peer, us, tls=tls_of(pki)), tmp_path)
    heard.only(Cause.MOVE_WITH_OTHER_TLS, Side.THEIRS, f"127.0.0.1:{us.port}", "UseDicomTls")


async def test_our_port_speaks_tls_and_the_pacs_sends_in_clear(
    orthanc: Orthanc, isthmus_peer: Peer, pki: Pki, tmp_path: Path
) -> None:
    settings = pacs(orthanc.peer, isthmus_peer)
    heard = await examined({**settings, "scp": scp_with_tls(isthmus_peer, pki)}, tmp_path)
    heard.only(Cause.MOVE_WITH_OTHER_TLS, Side.THEIRS, f"127.0.0.1:{isthmus_peer.port}", "UseDicomTls")


def scp_with_tls(us: Peer, pki: Pki) -> Scp:
    """Give our port with TLS alone."""
    pki.us.key.chmod(0o600)
    listener = {
        "listen": f"127.0.0.1:{us.port}",
        "certificate_file": pki.us.certificate,
        "key_file": pki.us.key,
    }
    return Scp.model_validate({"ae_title": us.ae_title, "listen": "", "tls": listener})


async def test_the_pacs_wants_a_certificate(secure: Orthanc, pki: Pki, tmp_path: Path) -> None:
    settings = pacs(secure.peer, tls=tls_of(pki, certificate_file=None, key_file=None))
    heard = await examined(settings, tmp_path)
    heard.only(Cause.TLS_CERTIFICATE_WANTED, Side.OURS, "origins[0].tls.certificate_file")


async def test_the_pacs_does_not_trust_ours(secure: Orthanc, pki: Pki, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").signs("isthmus")
    stranger.key.chmod(0o600)
    settings = tls_of(pki, certificate_file=stranger.certificate, key_file=stranger.key)
    heard = await examined(pacs(secure.peer, tls=settings), tmp_path)
    heard.only(Cause.TLS_CERTIFICATE_REFUSED, Side.THEIRS, "origins[0].tls.certificate_file")


async def test_we_do_not_trust_the_pacs(secure: Orthanc, pki: Pki, tmp_path: Path) -> None:
    settings = tls_of(pki, ca_file=Authority(tmp_path, "stranger").certificate)
    heard = await examined(pacs(secure.peer, tls=settings), tmp_path)
    heard.only(Cause.TLS_UNKNOWN_AUTHORITY, Side.OURS, "origins[0].tls.ca_file")


async def test_the_certificate_is_for_another_name(secure: Orthanc, pki: Pki, tmp_path: Path) -> None:
    settings = tls_of(pki, server_name="pacs.example.org")
    heard = await examined(pacs(secure.peer, tls=settings), tmp_path)
    heard.only(Cause.TLS_WRONG_NAME, Side.THEIRS, "pacs.example.org", "origins[0].tls.server_name")


async def with_certificate(own: Identity, pki: Pki, data: Path) -> Heard:
    with acceptor(tls=pki.accepting(own)) as there:
        peer = Peer("PACS", there.host, there.port)
        return await examined(pacs(peer, tls=tls_of(pki)), data)


async def test_the_certificate_has_expired(pki: Pki, tmp_path: Path) -> None:
    expired = pki.authority.signs("expired", since=-2 * HOUR, until=-HOUR)
    heard = await with_certificate(expired, pki, tmp_path)
    heard.only(Cause.TLS_EXPIRED, Side.THEIRS, "127.0.0.1")


async def test_the_certificate_is_not_valid_yet(pki: Pki, tmp_path: Path) -> None:
    early = pki.authority.signs("early", since=HOUR / 2, until=HOUR)
    heard = await with_certificate(early, pki, tmp_path)
    heard.only(Cause.TLS_NOT_YET_VALID, Side.THEIRS, "127.0.0.1", "timedatectl")


async def test_no_cipher_suite_that_both_have(pki: Pki, tmp_path: Path) -> None:
    context = pki.accepting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-SHA")
    with acceptor(tls=context) as there:
        heard = await examined(pacs(Peer("PACS", there.host, there.port), tls=tls_of(pki)), tmp_path)
    heard.only(Cause.TLS_NOTHING_IN_COMMON, Side.THEIRS, "TLS 1.2 or 1.3")


async def test_the_pacs_speaks_in_clear(orthanc: Orthanc, pki: Pki, tmp_path: Path) -> None:
    heard = await examined(pacs(orthanc.peer, tls=tls_of(pki)), tmp_path)
    heard.only(Cause.TLS_NOT_SPOKEN, Side.OURS, "origins[0].tls", str(orthanc.dicom_port))


async def test_the_pacs_speaks_tls_and_we_do_not(secure: Orthanc, tmp_path: Path) -> None:
    heard = await examined(pacs(secure.peer), tmp_path)
    heard.only(Cause.SPEAKS_TLS, Side.OURS, "[origins.tls]", str(secure.dicom_port))


async def test_files_that_do_not_fit(secure: Orthanc, pki: Pki, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").signs("other", key=None)
    (tmp_path / "broken.key").write_text("no key")
    (tmp_path / "broken.key").chmod(0o600)
    settings = tls_of(pki, certificate_file=other.certificate, key_file=tmp_path / "broken.key")
    heard = await examined(pacs(secure.peer, tls=settings), tmp_path)
    heard.only(Cause.FILE_UNUSABLE, Side.OURS, "origins[0].tls.key_file", str(tmp_path / "broken.key"))
    assert heard.unclear == ["a file of its TLS cannot be used: see settings"]


async def test_a_certificate_of_ours_that_has_expired(
    orthanc: Orthanc, isthmus_peer: Peer, pki: Pki, tmp_path: Path
) -> None:
    old = pki.authority.signs("old", since=-2 * HOUR, until=-HOUR)
    old.key.chmod(0o600)
    gateway = {"certificate_file": old.certificate, "key_file": old.key}
    heard = await examined({**pacs(orthanc.peer, isthmus_peer), "gateway": gateway}, tmp_path)
    heard.only(Cause.CERTIFICATE_OUT_OF_TIME, Side.OURS, "gateway.certificate_file", str(old.certificate))
