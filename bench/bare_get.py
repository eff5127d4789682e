"""The bound of a cold retrieve: `python -m bench.bare_get`, pynetdicom alone, a C-GET of a study into memory.

One association, open before the clock starts, one presentation context for what the study holds.
"""

import os
import time
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet  # type: ignore[attr-defined]  # made at run time

from bench.told import answer
from isthmus.common.dimse.sockets import MAX_PDU, install

_SUCCESS: Final = 0x0000


def get(host: str, port: int, ae_title: str, study: str, sop_class: str) -> dict[str, object]:
    """Retrieve it: seconds in all and until the first instance, how many, bytes, the last UID."""
    received: list[tuple[float, str, object]] = []

    def store(event: evt.Event) -> int:
        request = event.request
        if not isinstance(request, C_STORE):
            raise TypeError("EVT_C_STORE brings C-STORE requests")
        received.append((time.perf_counter(), str(request.AffectedSOPInstanceUID), request.DataSet))
        return _SUCCESS

    ae = AE(ae_title="BENCH")
    ae.maximum_pdu_size = MAX_PDU
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    ae.add_requested_context(UID(sop_class), ExplicitVRLittleEndian)
    role = build_role(UID(sop_class), scp_role=True)
    association = ae.associate(
        host, port, ae_title=ae_title, ext_neg=[role], evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = study
    started = time.perf_counter()
    statuses = [
        status.Status
        for status, _ in association.send_c_get(identifier, StudyRootQueryRetrieveInformationModelGet)
    ]
    seconds = time.perf_counter() - started
    association.release()
    return {
        "success": statuses[-1:] == [_SUCCESS],
        "seconds": seconds,
        "first_byte": received[0][0] - started if received else seconds,
        "instances": len(received),
        "last": received[-1][1] if received else "",
    }


def main() -> None:
    """Do what standard input says."""
    answer(get, tune=install)
    # What was received is not worth taking down piece by piece.
    os._exit(0)


if __name__ == "__main__":
    main()
