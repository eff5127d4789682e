"""A request of our own on an association that we accepted, between the answers that its thread gives.

pynetdicom's `send_n_event_report` reads the association's queue itself while the association's thread may be
at work on a request, and drops what it does not expect: an image among that would never be answered. So the
request waits in the queue of messages that came, the association's thread sends it when it is its turn, and
the answer comes as a message (`EVT_DIMSE_RECV`).
"""

from typing import Final

from pydicom.uid import UID
from pynetdicom import sop_class
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import ServiceClass

_IN_TURN: Final = "2.25.88305417286094911271430190842614712507"
"""A SOP class that nobody provides: pynetdicom finds `_Sender` by it."""


class _Waiting:
    """What stands in the queue, with as much of a primitive as pynetdicom looks at."""

    is_valid_request: Final = True
    msg_type: Final = "N-EVENT-REPORT"
    AffectedSOPClassUID: Final = UID(_IN_TURN)

    def __init__(self, request: N_EVENT_REPORT) -> None:
        self.request = request


class _Sender(ServiceClass):
    def SCP(self, req: object, context: PresentationContext) -> None:  # noqa: N802 - pynetdicom's name
        if not isinstance(req, _Waiting):
            raise NotImplementedError  # a peer uses the UID: so pynetdicom hears that nobody provides it
        self.dimse.send_msg(req.request, context.context_id or 0)


def send_in_turn(association: Association, request: N_EVENT_REPORT, context_id: int) -> None:
    """Have the association's thread send a request, after the messages that came before; any thread may.

    It is not sent where the association ends before its turn comes.
    """
    sop_class._SERVICE_CLASSES[_IN_TURN] = _Sender
    item = (context_id, _Waiting(request))
    association.dimse.msg_queue.put(item)  # type: ignore[arg-type]  # no primitive, but enough of one
