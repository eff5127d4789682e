"""The certificates of the port with TLS may be replaced while it is open."""

import asyncio
import os
import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.common.dimse import VERIFICATION, Association
from isthmus.common.errors import OriginError, SettingsError
from isthmus.common.service import Parts
from isthmus.scp.worker import Server
from tests.certificates import LOOPBACK, Authority, Identity, rsa_key
from tests.scp.conftest import echo_at
from tests.scp.tls import Pki, serving_tls, tls_peer
from tests.waiting import PATIENCE


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki.of(tmp_path)


def shown(server: Server) -> bytes:
    """Give the certificate that the port shows."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    assert server.tls_port is not None
    with (
        socket.create_connection((LOOPBACK, server.tls_port), timeout=PATIENCE) as connection,
        context.wrap_socket(connection) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""


def der(identity: Identity) -> bytes:
    return ssl.PEM_cert_to_DER_cert(identity.certificate.read_text())


def put(there: Path, what: Path) -> None:
    """Replace a file at once, as those do who renew certificates."""
    new = there.with_suffix(".new")
    shutil.copy(what, new)
    os.replace(new, there)


async def test_a_new_certificate_is_shown_to_who_comes_next(parts: Parts, pki: Pki) -> None:
    new = pki.authority.signs("new")
    async with serving_tls(parts, pki) as server:
        assert await asyncio.to_thread(shown, server) == der(pki.server)
        kept = await asyncio.to_thread(
            Association.open, tls_peer(server, pki.client_tls(pki.client)), [VERIFICATION]
        )
        put(pki.server.certificate, new.certificate)
        put(pki.server.key, new.key)
        assert await asyncio.to_thread(shown, server) == der(new)
        await asyncio.to_thread(kept.echo)  # who is there stays
        await asyncio.to_thread(kept.release)
        await asyncio.to_thread(echo_at, tls_peer(server, pki.client_tls(pki.client)))


Break = Callable[[Pki, Authority], None]


def half_a_certificate(pki: Pki, other: Authority) -> None:
    pki.server.certificate.write_bytes(pki.server.certificate.read_bytes()[:200])


def no_key(pki: Pki, other: Authority) -> None:
    pki.server.key.unlink()


def the_key_of_another(pki: Pki, other: Authority) -> None:
    put(pki.server.key, other.signs("another", key=rsa_key("another")).key)


def no_authority(pki: Pki, other: Authority) -> None:
    pki.authority.certificate.write_text("")


@pytest.mark.parametrize("broken", [half_a_certificate, no_key, the_key_of_another, no_authority])
async def test_what_cannot_be_used_changes_nothing_and_is_said_once(
    parts: Parts, pki: Pki, tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: Break
) -> None:
    before = der(pki.server)
    client = pki.client_tls(pki.client)
    async with serving_tls(parts, pki) as server:
        broken(pki, Authority(tmp_path, "other"))
        for _ in range(3):
            assert await asyncio.to_thread(shown, server) == before
        if broken is not no_authority:  # the client has that file too
            await asyncio.to_thread(echo_at, tls_peer(server, client))
    assert capsys.readouterr().out.count("changed certificates cannot be used") >= 1


async def test_who_was_trusted_is_not_any_more(parts: Parts, pki: Pki, tmp_path: Path) -> None:
    trusted = tmp_path / "trusted.pem"
    shutil.copy(pki.authority.certificate, trusted)
    other = Authority(tmp_path, "other")
    both = tmp_path / "both.pem"
    both.write_bytes(other.certificate.read_bytes() + pki.authority.certificate.read_bytes())
    old, new = pki.client_tls(pki.client), pki.client_tls(other.signs("new"))
    async with serving_tls(parts, pki, client_ca_file=trusted) as server:
        await asyncio.to_thread(echo_at, tls_peer(server, old))
        with pytest.raises(OriginError):
            await asyncio.to_thread(echo_at, tls_peer(server, new))
        put(trusted, both)
        await asyncio.to_thread(echo_at, tls_peer(server, old))
        await asyncio.to_thread(echo_at, tls_peer(server, new))
        put(trusted, other.certificate)
        await asyncio.to_thread(echo_at, tls_peer(server, new))
        with pytest.raises(OriginError):
            await asyncio.to_thread(echo_at, tls_peer(server, old))


async def test_what_cannot_be_used_at_the_start_ends_it(parts: Parts, pki: Pki) -> None:
    pki.server.key.write_text("s3cret")
    with pytest.raises(SettingsError) as caught:
        async with serving_tls(parts, pki):
            pass
    assert (
        str(caught.value)
        == f"scp.tls: key_file: {pki.server.key}: holds no private key (PEM) that can be read"
    )


async def test_a_port_that_is_taken_is_named(parts: Parts, pki: Pki) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        listen = f"{LOOPBACK}:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError) as caught:
            async with serving_tls(parts, pki, listen=listen):
                pass
    assert str(caught.value) == f"scp.tls.listen: {listen}: Address already in use"
