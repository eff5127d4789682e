"""P-DATA-TF PDUs (PS3.8 9.3.5, Annex E) and the commands in them (PS3.7 9, 10)."""

import queue
from collections.abc import Iterable
from typing import Final

from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA

from isthmus.common.dimse.incoming import receive
from isthmus.common.dimse.sockets import install
from tests.fuzz.refusals import refusing
from tests.fuzz.wire import COMMITMENT, CT, STUDY_FIND, STUDY_MOVE, VERIFICATION, command, p_data, request

install()
_ASSOCIATION: Final = Association(ApplicationEntity(), "acceptor")
_LAST_OF_COMMAND, _DATA, _LAST_OF_DATA = 3, 0, 2


def target(data: bytes) -> None:
    """Take PDU after PDU; nothing may come out of it but messages, and the event that aborts."""
    dimse = DIMSEServiceProvider(_ASSOCIATION)
    events = dimse.dul.event_queue
    at = 0
    while at + 6 <= len(data):
        end = at + 6 + int.from_bytes(data[at + 2 : at + 6], "big")
        primitive = _decoded(data[at:end])
        if primitive is None:
            break
        receive(dimse, primitive)
        if not events.empty():
            break
        at = end
    _drain(events)
    while (received := dimse.get_msg(block=False)) != (None, None):
        str(received[1])


def _decoded(pdu: bytes) -> P_DATA | None:
    with refusing(Exception):  # the upper layer aborts: see there
        decoded = P_DATA_TF()
        decoded.decode(pdu)
        return decoded.to_primitive()
    return None


def _drain(events: "queue.Queue[str]") -> None:
    while not events.empty():
        assert events.get() == "Evt19"


def seeds() -> Iterable[bytes]:
    """Requests of each kind, whole and in pieces."""
    store = request(0x0001, CT, (0x1000, "1.2.3"), data_set=True)
    find = request(0x0020, STUDY_FIND, data_set=True)
    echo = request(0x0030, VERIFICATION)
    for whole in (store, find, echo):
        yield p_data((1, _LAST_OF_COMMAND, whole))
        yield p_data((1, 1, whole[:30])) + p_data((1, _LAST_OF_COMMAND, whole[30:]))
    yield p_data((1, _LAST_OF_COMMAND, find), (1, _LAST_OF_DATA, b"\x08\0\x52\0\x06\0\0\0STUDY "))
    yield (
        p_data((1, _LAST_OF_COMMAND, store)) + p_data((1, _DATA, bytes(50))) + p_data((1, _LAST_OF_DATA, b""))
    )
    yield p_data((1, _LAST_OF_COMMAND, request(0x0021, STUDY_MOVE, (0x0600, "STORESCP"), data_set=True)))
    yield p_data((1, _LAST_OF_COMMAND, command((0x0100, 0x0FFF), (0x0120, 1), (0x0800, 0x0101))))
    yield p_data(
        (1, _LAST_OF_COMMAND, command((0x0003, COMMITMENT), (0x0100, 0x0130), (0x0110, 1), (0x0800, 0)))
    )
    yield p_data((1, _LAST_OF_COMMAND, echo), (1, _LAST_OF_COMMAND, echo))
    yield p_data()
