"""The DIMSE face with TLS, and who speaks it with it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from isthmus.common.config.tls import PeerTls
from isthmus.common.dimse import Peer
from isthmus.common.dimse.tls import ClientTls
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests import peers
from tests.certificates import LOOPBACK, Authority, Identity
from tests.scp.conftest import INBOX, with_scp
from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Pki:
    """Who is who."""

    authority: Authority
    server: Identity
    client: Identity

    @classmethod
    def of(cls, directory: Path) -> "Pki":
        authority = Authority(directory)
        client = authority.signs(
            "ct1", subject={"C": "DE", "O": "Hospital"}, hosts=("ct1.example.org", "10.1.0.7")
        )
        return cls(authority, authority.signs("server"), client)

    def tls(self, **settings: object) -> dict[str, object]:
        """Give the settings of the port: its clients are asked for a certificate."""
        return {
            "listen": f"{LOOPBACK}:0",
            "certificate_file": self.server.certificate,
            "key_file": self.server.key,
            "client_ca_file": self.authority.certificate,
            **settings,
        }

    def options(self, identity: Identity | None = None, *more: str) -> list[str]:
        """Give DCMTK's, to come as somebody."""
        chosen = identity or self.client
        files = [str(chosen.key), str(chosen.certificate)]
        return [
            "--enable-tls",
            *files,
            "--null-passwd",
            "--add-cert-file",
            str(self.authority.certificate),
            *more,
        ]

    def anonymous(self, *more: str) -> list[str]:
        """Give DCMTK's, to come as nobody."""
        return ["--anonymous-tls", "--add-cert-file", str(self.authority.certificate), *more]

    def client_tls(self, identity: Identity | None = None, **settings: object) -> ClientTls:
        """Give our own way to come as somebody; it trusts the authority."""
        own = {} if identity is None else {"certificate_file": identity.certificate, "key_file": identity.key}
        chosen = {"ca_file": self.authority.certificate, **own, **settings}
        return ClientTls(PeerTls.model_validate(chosen), LOOPBACK, "test")


@asynccontextmanager
async def serving_tls(
    parts: Parts,
    pki: Pki,
    *,
    clear: bool = True,
    scp: Mapping[str, object] = MappingProxyType({}),
    **settings: object,
) -> AsyncIterator[Server]:
    """Run the face with both ports, or with that for TLS alone.

    Args:
        parts: what it runs on.
        pki: whose certificate it has, and whose clients'.
        clear: whether there is a port in clear.
        scp: more settings of the face.
        settings: of TLS.
    """
    listen = f"{LOOPBACK}:0" if clear else ""
    async with serving(with_scp(parts, listen=listen, tls=pki.tls(**settings), **scp)) as server:
        yield server


def tls_peer(server: Server, tls: ClientTls, calling: str = "CT1", called: str = INBOX) -> Peer:
    """Give the port with TLS, for associations of ours."""
    assert server.tls_port is not None
    return Peer("scp", LOOPBACK, server.tls_port, called, calling, PATIENCE, tls=tls)


def dcmtk_peer(server: Server) -> peers.Peer:
    """Give the port with TLS, for DCMTK."""
    assert server.tls_port is not None
    return peers.Peer(INBOX, LOOPBACK, server.tls_port)
