"""Who is who in tests of associations with TLS that we request."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket
from typing import Self

from isthmus.common.config.tls import PeerTls
from isthmus.common.dimse import Peer
from isthmus.common.dimse.tls import ClientTls
from tests.certificates import LOOPBACK, Authority, Identity
from tests.common.dimse.acceptor import listener


@dataclass(frozen=True)
class Pki:
    """The authority that both sides trust, and both sides."""

    authority: Authority
    pacs: Identity
    us: Identity

    @classmethod
    def of(cls, directory: Path) -> Self:
        """Make all of it."""
        authority = Authority(directory)
        return cls(authority, authority.signs("pacs"), authority.signs("isthmus"))

    def tls(self, **settings: object) -> ClientTls:
        """Give our way: we trust the authority, and show our certificate."""
        ours = {"certificate_file": self.us.certificate, "key_file": self.us.key}
        chosen = {"ca_file": self.authority.certificate, **ours, **settings}
        return ClientTls(PeerTls.model_validate(chosen), LOOPBACK, "origin pacs: tls")

    def to(self, peer: Peer, **settings: object) -> Peer:
        """Give the same peer, with TLS."""
        return replace(peer, tls=self.tls(**settings))

    def accepting(self, identity: Identity | None = None) -> ssl.SSLContext:
        """Give what a server has that wants to see certificates of the authority."""
        chosen = identity or self.pacs
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chosen.certificate, chosen.key)
        context.load_verify_locations(self.authority.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


@contextmanager
def tls_listener(
    context: ssl.SSLContext,
    behave: Callable[[ssl.SSLSocket], None],
    *,
    timeout: float = 5.0,
    suppress_ragged_eofs: bool = True,
) -> Iterator[Peer]:
    """Take one connection, do the handshake, and do something to it, in a thread."""

    def take(connection: socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(
                connection.dup(), server_side=True, suppress_ragged_eofs=suppress_ragged_eofs
            ) as wrapped,
        ):
            behave(wrapped)

    with listener(take, timeout=timeout) as peer:
        yield peer
