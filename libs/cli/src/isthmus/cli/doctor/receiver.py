"""Where a C-MOVE brings what it was asked for, while nothing runs: our own port, with nobody behind it."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final, cast

from pynetdicom import AE, evt
from pynetdicom.events import EventHandlerType
from pynetdicom.transport import ThreadedAssociationServer

from isthmus.common.config import ListenAddress
from isthmus.common.config.certificates import server_context
from isthmus.common.config.settings import Scp
from isthmus.common.dimse import VERIFICATION, install, unrestricted_storage

_LOOK_SECONDS: Final = 0.05
_HANDSHAKE_SECONDS: Final = 2.0
"""Who says nothing for so long speaks no TLS."""


@dataclass(slots=True)
class Arrivals:
    """What came."""

    sees_connections: bool = True
    """Whether who connects is seen, too; scp tells but of what it matches to a retrieve."""
    connections: int = 0
    calling_ae_titles: set[str] = field(default_factory=set)
    """Of those who had an association."""
    instances: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set when an instance has come."""


@contextmanager
def receiving(scp: Scp) -> Iterator[Arrivals]:
    """Listen as scp would, take what comes, and keep nothing of it.

    Raises:
        OSError: a port is taken.
        ValueError: the files of TLS cannot be used.
    """
    install()
    arrivals = Arrivals()
    addresses: Mapping[str, ssl.SSLContext | None] = {scp.listen: None} if scp.listen else {}
    if scp.tls is not None:
        addresses = {**addresses, scp.tls.listen: server_context(scp.tls)}
    with unrestricted_storage(), ExitStack() as listening:
        for address, context in addresses.items():
            listening.enter_context(_listening(scp.ae_title, ListenAddress(address), context, arrivals))
        yield arrivals


class _Server(ThreadedAssociationServer):
    """Notes who connects, those too with whom there is no TLS, and is held up by none of them."""

    def __init__(
        self,
        entity: AE,
        address: ListenAddress,
        context: ssl.SSLContext | None,
        arrivals: Arrivals,
    ) -> None:
        self._arrivals = arrivals
        super().__init__(
            entity,
            (address.host, address.port),
            entity.ae_title,
            entity.supported_contexts,
            ssl_context=context,
            evt_handlers=list(_noting(arrivals)),
        )

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection; an OSError ends it alone."""
        connection, address = cast("socket.socket", self.socket).accept()
        self._arrivals.connections += 1
        if self.ssl_context is not None:
            connection.settimeout(_HANDSHAKE_SECONDS)
            connection = self.ssl_context.wrap_socket(connection, server_side=True)
        return connection, address


@contextmanager
def _listening(
    ae_title: str, address: ListenAddress, context: ssl.SSLContext | None, arrivals: Arrivals
) -> Iterator[None]:
    entity = AE(ae_title)
    entity.add_supported_context(VERIFICATION.abstract_syntax)
    server = _Server(entity, address, context, arrivals)
    entity._servers.append(server)  # noqa: SLF001  # from where its shutdown removes it
    thread = threading.Thread(target=server.serve_forever, args=(_LOOK_SECONDS,))
    thread.start()
    try:
        yield
    finally:
        associations = server.active_associations
        server.shutdown()
        for association in associations:
            association.abort()
            association.join()
        thread.join()


def _noting(arrivals: Arrivals) -> Sequence[EventHandlerType]:
    def established(event: evt.Event) -> None:
        arrivals.calling_ae_titles.add(str(event.assoc.requestor.ae_title).strip())

    def stored(_: evt.Event) -> int:
        arrivals.instances += 1
        arrivals.arrived.set()
        return 0

    return ((evt.EVT_ESTABLISHED, established), (evt.EVT_C_STORE, stored))
