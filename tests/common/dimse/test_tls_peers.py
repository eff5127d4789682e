"""TLS with PACS and receivers that nobody here wrote: Orthanc and DCMTK."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.dimse import (
    FIND,
    MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    VERIFICATION,
    Association,
    Context,
    Peer,
    ReceivedInstance,
    for_get,
)
from isthmus.common.errors import OriginError, OriginUnreachable
from tests import peers
from tests.certificates import Authority
from tests.common.dimse.acceptor import opened, query
from tests.common.dimse.pki import Pki
from tests.peers import Orthanc, Storescp, free_port

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
LARGE = 24 * 1024 * 1024
STUDY, INSTANCE = "1.2.3", "1.2.3.4"


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.of(tmp_path_factory.mktemp("pki"))


def to(other: peers.Peer, pki: Pki, **settings: object) -> Peer:
    return Peer("pacs", other.host, other.port, other.ae_title, "ISTHMUS", 20.0, tls=pki.tls(**settings))


@pytest.fixture(scope="module")
def receiver(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storescp]:
    """DCMTK, that wants certificates."""
    files = [str(pki.pacs.key), str(pki.pacs.certificate)]
    options = ["--enable-tls", *files, "--null-passwd", "--add-cert-file", str(pki.authority.certificate)]
    with Storescp(tmp_path_factory.mktemp("receiver"), tls=options) as running:
        yield running


@pytest.fixture(scope="module")
def pacs(pki: Pki, receiver: Storescp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Orthanc, that wants certificates, and sends with TLS."""
    directory = tmp_path_factory.mktemp("orthanc-tls")
    destination = receiver.peer
    tls = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(pki.pacs.certificate),
        "DicomTlsPrivateKey": str(pki.pacs.key),
        "DicomTlsTrustedCertificates": str(pki.authority.certificate),
        "DicomTlsRemoteCertificateRequired": True,
        "DicomModalities": {
            destination.ae_title: {
                "AET": destination.ae_title,
                "Host": destination.host,
                "Port": destination.port,
                "UseDicomTls": True,
            }
        },
    }
    with Orthanc(directory, dicom_port=free_port(), tls=tls) as running:
        yield running


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    head = group.to_bytes(2, "little") + number.to_bytes(2, "little") + vr
    size = bytes(2) + len(value).to_bytes(4, "little") if vr == b"OW" else len(value).to_bytes(2, "little")
    return head + size + value


DATA = b"".join(
    element(group, number, vr, value)
    for group, number, vr, value in (
        (0x0008, 0x0016, b"UI", CT.encode()),
        (0x0008, 0x0018, b"UI", INSTANCE.encode()),
        (0x0010, 0x0010, b"PN", b"Nobody"),
        (0x0010, 0x0020, b"LO", b"N1"),
        (0x0020, 0x000D, b"UI", STUDY.encode()),
        (0x0020, 0x000E, b"UI", b"1.2.3.9"),
        (0x7FE0, 0x0010, b"OW", bytes(range(256)) * (LARGE // 256)),
    )
)
"""It takes many records of TLS."""


def store(to: Peer) -> int:
    with opened(to, [Context(CT, (EXPLICIT,))]) as association:
        return association.store(
            io.BytesIO(DATA), sop_class_uid=CT, sop_instance_uid=INSTANCE, transfer_syntax_uid=EXPLICIT
        ).status


def test_dcmtk_takes_large_data_as_they_are(receiver: Storescp, pki: Pki) -> None:
    receiver.clear()
    assert store(to(receiver.peer, pki)) == 0
    assert receiver.datasets() == {INSTANCE: [DATA]}


def test_orthanc_takes_and_gives_large_data(pacs: Orthanc, receiver: Storescp, pki: Pki) -> None:
    receiver.clear()
    assert store(to(pacs.peer, pki)) == 0
    with opened(to(pacs.peer, pki), [FIND]) as association:
        (found,) = association.find(STUDY_ROOT_FIND, query())
        assert found.data is not None
        assert STUDY.encode() in found.data
    got: list[bytes] = []

    def take(one: ReceivedInstance) -> int:
        got.append(bytes(one.data.head()))
        return 0

    (group,) = for_get([CT])
    with opened(to(pacs.peer, pki), group) as association:
        association.get(STUDY_ROOT_GET, query(StudyInstanceUID=STUDY), take)
    with opened(to(pacs.peer, pki), [MOVE]) as association:
        moved = association.move(STUDY_ROOT_MOVE, query(StudyInstanceUID=STUDY), receiver.peer.ae_title)
    assert moved.completed == 1
    assert receiver.datasets() == {INSTANCE: got}
    assert got[0].endswith(DATA[-LARGE:])


def test_associating_with_orthanc_waits_for_no_delayed_acknowledgement(pacs: Orthanc, pki: Pki) -> None:
    """It sends session tickets, and holds its answer back until they are acknowledged."""
    ours = to(pacs.peer, pki)
    seconds = []
    for _ in range(10):
        began = time.monotonic()
        with opened(ours, [VERIFICATION]):
            seconds.append(time.monotonic() - began)
    assert min(seconds) < 0.04


@pytest.mark.parametrize("profile", ["--profile-bcp195", "--profile-bcp195-nd", "--profile-bcp195-ex"])
def test_dcmtk_answers_by_each_profile_that_goes_on(pki: Pki, tmp_path: Path, profile: str) -> None:
    files = [str(pki.pacs.key), str(pki.pacs.certificate)]
    options = ["--enable-tls", *files, "--null-passwd", "--add-cert-file", str(pki.authority.certificate)]
    with (
        Storescp(tmp_path / "profile", tls=[*options, profile]) as running,
        opened(to(running.peer, pki), [VERIFICATION]) as association,
    ):
        association.echo()


def test_dcmtk_without_encryption_is_not_spoken_with(pki: Pki, tmp_path: Path) -> None:
    files = [str(pki.pacs.key), str(pki.pacs.certificate)]
    options = ["--enable-tls", *files, "--null-passwd", "--ignore-peer-cert", "--profile-null"]
    with Storescp(tmp_path / "null", tls=options) as running, pytest.raises(OriginUnreachable) as caught:
        Association.open(to(running.peer, pki), [VERIFICATION])
    assert "No TLS with 127.0.0.1" in caught.value.detail


def test_dcmtk_trusts_no_stranger(receiver: Storescp, pki: Pki, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger").signs("isthmus")
    ours = to(receiver.peer, pki, certificate_file=stranger.certificate, key_file=stranger.key)
    with pytest.raises(OriginError):
        Association.open(ours, [VERIFICATION])
