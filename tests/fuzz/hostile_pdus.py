"""PDUs that no toolkit would send, at a running scp."""

import random
import socket
import struct
from collections.abc import Sequence
from typing import Final

from tests.fuzz.mutations import mutated
from tests.fuzz.targets.association_request import seeds as request_seeds
from tests.fuzz.targets.dimse_messages import seeds as message_seeds
from tests.fuzz.targets.identifiers import seeds as identifier_seeds
from tests.fuzz.wire import CONTEXTS, STUDY_FIND, STUDY_GET, STUDY_MOVE, associate, p_data, request

SECONDS: Final = 20.0
_ACCEPT: Final = b"\x02"
_RELEASE: Final = b"\x05\0\0\0\0\x04\0\0\0\0"
_ABORT: Final = b"\x07\0\0\0\0\x04\0\0\0\0"
_LAST_OF_COMMAND, _LAST_OF_DATA = 3, 2
_FIELDS: Final = {STUDY_FIND: 0x0020, STUDY_MOVE: 0x0021, STUDY_GET: 0x0010}


def messages() -> Sequence[bytes]:
    """Give PDUs of an association: commands of each kind, and queries with Identifiers of each kind."""
    found = list(message_seeds())
    for sop_class_uid, field in _FIELDS.items():
        context = 2 * CONTEXTS.index(sop_class_uid) + 1
        others = ((0x0600, "NOWHERE"),) if sop_class_uid == STUDY_MOVE else ()
        command = request(field, sop_class_uid, *others, data_set=True)
        found += [
            p_data((context, _LAST_OF_COMMAND, command), (context, _LAST_OF_DATA, identifier))
            for identifier in identifier_seeds()
        ]
    return found


def requests(called: str) -> Sequence[bytes]:
    """Give requests for associations."""
    return [*request_seeds(), associate(called=called)]


def greet(address: tuple[str, int], seeds: Sequence[bytes], chance: random.Random) -> None:
    """Ask for an association with something that is hardly a request."""
    with socket.create_connection(address, timeout=SECONDS) as connection:
        _end(connection, mutated(chance.choice(seeds), seeds, chance))


def talk(address: tuple[str, int], called: str, seeds: Sequence[bytes], chance: random.Random) -> bool:
    """Associate, and send what is hardly a message; tell whether there was an association.

    Raises:
        AssertionError: the connection stays open.
    """
    with socket.create_connection(address, timeout=SECONDS) as connection:
        connection.sendall(associate(called=called))
        if _read(connection)[:1] != _ACCEPT:
            return False
        garbage = b"".join(mutated(chance.choice(seeds), seeds, chance) for _ in range(chance.randint(1, 3)))
        _end(connection, garbage + chance.choice((_RELEASE, _ABORT)))
    return True


def _end(connection: socket.socket, data: bytes) -> None:
    """Send it, say that no more comes, and read to the end."""
    try:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    except TimeoutError:
        raise AssertionError(f"the association stays open after {data[:500]!r}") from None
    except OSError:  # it has ended already
        pass


def _read(connection: socket.socket) -> bytes:
    head = connection.recv(6, socket.MSG_WAITALL)
    if len(head) < 6:
        return b""
    return head + connection.recv(struct.unpack(">L", head[2:])[0], socket.MSG_WAITALL)
