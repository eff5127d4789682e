"""Associations with TLS: DCMTK's clients and ours, with certificates that hold (PS3.15 B.12)."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.config import Inbox, Origin
from isthmus.common.config.certificates import client_context
from isthmus.common.config.tls import PeerTls
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dimse import Association, Context, Peer
from isthmus.common.service import Parts
from isthmus.scp.admission import Admission, Rejection
from isthmus.scp.callers import Calling
from tests.certificates import LOOPBACK, ec_key
from tests.peers import echoscu, storescu
from tests.scp.conftest import CT, EXPLICIT, INBOX, echo_at, peer
from tests.scp.tls import Pki, dcmtk_peer, serving_tls, tls_peer
from tests.scp.wire import RELEASE, RELEASED, associate, read
from tests.waiting import PATIENCE

Dataset = Callable[..., bytes]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.of(tmp_path_factory.mktemp("pki"))


async def echo(to: Peer) -> None:
    await asyncio.to_thread(echo_at, to)


@pytest.mark.parametrize("profile", ["--profile-bcp195-nd", "--profile-bcp195", "--profile-bcp195-ex"])
async def test_dcmtk_verifies_by_each_profile_that_goes_on(parts: Parts, pki: Pki, profile: str) -> None:
    async with serving_tls(parts, pki) as server:
        ended = await asyncio.to_thread(echoscu, dcmtk_peer(server), tls=pki.options(None, profile))
    assert ended.code == 0, ended.log


async def held(blobs: BlobStore, inbox: Inbox) -> list[bytes]:
    """Give the data sets that an inbox holds."""
    files = [await blobs.get(blob.key) async for blob in blobs.list(f"inbox/{inbox.name}/")]
    return [file[read_file_meta(BytesIO(file)).dataset_offset :] for file in files]


async def test_dcmtk_stores_by_tls(
    parts: Parts, pki: Pki, blobs: BlobStore, inbox: Inbox, corpus: list[Path]
) -> None:
    files = [file for file in corpus if file.name in ("CT_small.dcm", "MR_small.dcm")]
    async with serving_tls(parts, pki) as server:
        ended = await asyncio.to_thread(storescu, dcmtk_peer(server), files, tls=pki.options())
    assert ended.code == 0, ended.log
    assert len(await held(blobs, inbox)) == len(files) == 2


async def test_large_data_come_by_tls_as_they_are(
    parts: Parts, pki: Pki, blobs: BlobStore, inbox: Inbox, dataset: Dataset
) -> None:
    pixels = bytes(range(256)) * 80_000
    data = dataset() + b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little") + pixels

    def run(to: Peer) -> int:
        association = Association.open(to, [Context(CT, (EXPLICIT,))])
        try:
            return association.store(
                BytesIO(data), sop_class_uid=CT, sop_instance_uid="1.2.3.4", transfer_syntax_uid=EXPLICIT
            ).status
        finally:
            association.release()

    async with serving_tls(parts, pki) as server:
        assert await asyncio.to_thread(run, tls_peer(server, pki.client_tls(pki.client))) == 0
    assert await held(blobs, inbox) == [data]


async def test_clear_and_tls_are_side_by_side(parts: Parts, pki: Pki) -> None:
    async with serving_tls(parts, pki) as server:
        assert server.port != server.tls_port
        await echo(peer(server, called=INBOX))
        await echo(tls_peer(server, pki.client_tls(pki.client)))


async def test_the_port_in_clear_may_be_closed(parts: Parts, pki: Pki) -> None:
    async with serving_tls(parts, pki, clear=False) as server:
        assert server.port == server.tls_port
        await echo(tls_peer(server, pki.client_tls(pki.client)))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Calling]:
    """Who is decided about."""
    heard: list[Calling] = []
    decide = Admission.decide

    def hear(self: Admission, calling: Calling) -> Origin | Rejection | None:
        heard.append(calling)
        return decide(self, calling)

    monkeypatch.setattr(Admission, "decide", hear)
    return heard


async def test_who_calls_is_known_by_its_certificate(parts: Parts, pki: Pki, calls: list[Calling]) -> None:
    async with serving_tls(parts, pki) as server:
        await echo(tls_peer(server, pki.client_tls(pki.client)))
    (calling,) = calls
    assert calling.certificate == "CN=ct1,O=Hospital,C=DE"
    assert calling.certificate_names == ("DNS:ct1.example.org", "IP:10.1.0.7")


async def test_who_calls_in_clear_has_no_certificate(parts: Parts, pki: Pki, calls: list[Calling]) -> None:
    async with serving_tls(parts, pki) as server:
        await echo(peer(server, called=INBOX))
    (calling,) = calls
    assert (calling.certificate, calling.certificate_names) == (None, ())


async def test_who_is_asked_for_no_certificate_has_none(parts: Parts, pki: Pki, calls: list[Calling]) -> None:
    async with serving_tls(parts, pki, client_ca_file=None) as server:
        await echo(tls_peer(server, pki.client_tls(pki.client)))
        ended = await asyncio.to_thread(echoscu, dcmtk_peer(server), tls=pki.anonymous())
    assert ended.code == 0, ended.log
    assert [calling.certificate for calling in calls] == [None, None]


async def test_who_need_not_show_a_certificate_may(parts: Parts, pki: Pki, calls: list[Calling]) -> None:
    async with serving_tls(parts, pki, require_client_certificate=False) as server:
        await echo(tls_peer(server, pki.client_tls()))
        await echo(tls_peer(server, pki.client_tls(pki.client)))
    assert [calling.certificate for calling in calls] == [None, "CN=ct1,O=Hospital,C=DE"]


async def test_who_resumes_a_session_is_known_by_it(parts: Parts, pki: Pki, calls: list[Calling]) -> None:
    context = client_context(
        PeerTls(
            ca_file=pki.authority.certificate,
            certificate_file=pki.client.certificate,
            key_file=pki.client.key,
        )
    )
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def run(port: int, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        with (
            socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection,
            context.wrap_socket(connection, server_hostname=LOOPBACK, session=session) as wrapped,
        ):
            assert wrapped.session_reused == (session is not None)
            wrapped.sendall(associate())
            assert read(wrapped)[:1] == b"\x02"
            wrapped.sendall(RELEASE)
            assert read(wrapped) == RELEASED
            wrapped.unwrap()
            return wrapped.session

    async with serving_tls(parts, pki) as server:
        assert server.tls_port is not None
        session = await asyncio.to_thread(run, server.tls_port, None)
        await asyncio.to_thread(run, server.tls_port, session)
    assert [calling.certificate for calling in calls] == ["CN=ct1,O=Hospital,C=DE"] * 2


async def test_keys_may_be_of_elliptic_curves(parts: Parts, pki: Pki) -> None:
    own = pki.authority.signs("elliptic", key=ec_key())
    async with serving_tls(parts, pki, certificate_file=own.certificate, key_file=own.key) as server:
        await echo(tls_peer(server, pki.client_tls(own)))
