"""The other end, for tests: a pynetdicom acceptor, and sockets that do what no DICOM peer should."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import EventHandlerType
from pynetdicom.transport import ThreadedAssociationServer

from isthmus.common.dimse import Association, Context, Peer, install
from isthmus.common.dimse.contexts import COMPRESSED, UNCOMPRESSED

VERIFICATION_CLASS = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


def peer(port: int, *, timeout: float = 5.0, called: str = "PACS", host: str = "127.0.0.1") -> Peer:
    return Peer("pacs", host, port, called, "ISTHMUS", timeout)


@contextmanager
def acceptor(
    *handlers: EventHandlerType,
    classes: Sequence[str] = (VERIFICATION_CLASS,),
    max_pdu: int = 16382,
    timeout: float = 5.0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Peer]:
    """Accept associations for these classes, in all common syntaxes, with the SCP and the SCU role."""
    install()
    entity = AE("PACS")
    entity.require_called_aet = True
    entity.maximum_pdu_size = max_pdu
    for sop_class in classes:
        entity.add_supported_context(sop_class, [*UNCOMPRESSED, *COMPRESSED], scu_role=True, scp_role=True)
        entity.add_requested_context(sop_class)  # for the sub-operations of a C-MOVE
    server = entity.make_server(
        ("127.0.0.1", 0),
        ssl_context=tls,
        evt_handlers=list(handlers),
        server_class=ThreadedAssociationServer,
    )
    entity._servers.append(server)  # from where its shutdown removes it
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))  # stops sooner than upstream's own
    serving.start()
    try:
        yield peer(server.server_address[1], timeout=timeout)
    finally:
        associations = server.active_associations
        server.shutdown()
        for association in associations:
            association.abort()
            association.join()
        serving.join()


@contextmanager
def listener(behave: Callable[[socket.socket], None], *, timeout: float = 0.5) -> Iterator[Peer]:
    """Take one connection and do something to it, in a thread; the connection stays open until the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                taken.append(connection)
                behave(connection)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield peer(server.getsockname()[1], timeout=timeout)
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            for connection in taken:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            thread.join()


def keeping(received: list[tuple[str, bytes]]) -> Callable[[evt.Event], int]:
    """Keep what a C-STORE brings: the command's SOP Instance UID and the data set's bytes."""

    def keep(event: evt.Event) -> int:
        request = event.request
        assert isinstance(request, C_STORE)
        assert request.DataSet is not None
        received.append((str(request.AffectedSOPInstanceUID), request.DataSet.getvalue()))
        return 0

    return keep


def aborting(event: evt.Event) -> int:
    """Abort instead of answering."""
    event.assoc.abort()
    return 0


def silent(_: socket.socket) -> None:
    """Say nothing."""


@contextmanager
def opened(to: Peer, contexts: Sequence[Context]) -> Iterator[Association]:
    """Open an association, and release it whatever happens."""
    association = Association.open(to, contexts)
    try:
        yield association
    finally:
        association.release()


def query(level: str = "STUDY", **keys: str) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in {"StudyInstanceUID": "", **keys}.items():
        setattr(identifier, keyword, value)
    return identifier


def match(number: int) -> Dataset:
    identifier = query()
    identifier.StudyInstanceUID = f"1.2.{number}"
    return identifier


def status(code: int, comment: str) -> Dataset:
    answer = Dataset()
    answer.Status = code
    answer.ErrorComment = comment
    return answer


def on(event: evt.InterventionEvent, handler: Callable[[evt.Event], object]) -> EventHandlerType:
    return (event, handler)
