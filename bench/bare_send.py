"""The bound of sending: `python -m bench.bare_send`, pynetdicom alone, C-STORE of files on one association.

The association is open before the clock starts, and has TCP_NODELAY; the files are read as they are sent.
"""

import socket
import time
from collections.abc import Sequence
from typing import Final

from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association

from bench.resting import resting
from bench.told import answer
from isthmus.common.dimse.sockets import MAX_PDU, install

_ATTEMPTS: Final = 3


def send(host: str, port: int, ae_title: str, sop_class: str, files: Sequence[str]) -> dict[str, object]:
    """Send them one after the other: the seconds, and how many were taken."""
    association = _associate(host, port, ae_title, sop_class)
    with resting(association):
        started = time.perf_counter()
        statuses = [association.send_c_store(file).get("Status") for file in files]
        seconds = time.perf_counter() - started
    association.release()
    return {"seconds": seconds, "stored": statuses.count(0x0000)}


def _associate(host: str, port: int, ae_title: str, sop_class: str) -> Association:
    """Open the association, which is not timed; once on a busy machine none came at the first attempt.

    Raises:
        ConnectionError: there is none.
    """
    ae = AE(ae_title="BENCH")
    ae.maximum_pdu_size = MAX_PDU
    ae.add_requested_context(UID(sop_class), ExplicitVRLittleEndian)
    for _ in range(_ATTEMPTS):
        association = ae.associate(
            host, port, ae_title=ae_title, evt_handlers=[(evt.EVT_CONN_OPEN, _without_delay)]
        )
        if association.is_established:
            return association
    raise ConnectionError("no association with the destination")


def _without_delay(event: evt.Event) -> None:
    connection = event.assoc.dul.socket
    if connection and connection.socket:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def main() -> None:
    """Do what standard input says."""
    answer(send, tune=install)


if __name__ == "__main__":
    main()
