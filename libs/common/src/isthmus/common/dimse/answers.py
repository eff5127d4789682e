"""What goes out once for each instance that is received: the responses of C-STORE, encoded without pydicom.

A patch of pynetdicom, like those of `sockets`. Upstream takes 0.5 ms for one, in which the sender waits to
send the next instance.
"""

from typing import TYPE_CHECKING, Final

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE

from isthmus.common.dimse.commands import PDV_OVERHEAD, fragments, store_response

if TYPE_CHECKING:
    from pynetdicom.dimse_primitives import DimsePrimitiveType

_RESPONSE: Final = 0x8001
_LONGEST_PDU: Final = 16 * 1024
"""Where the peer takes PDUs of any length; no command set is longer."""

_send_upstream: Final = DIMSEServiceProvider.send_msg


def send(dimse: DIMSEServiceProvider, primitive: "DimsePrimitiveType", context_id: int) -> None:
    """Send a message, instead of pynetdicom's method, which sends all that is no such response."""
    if not isinstance(primitive, C_STORE) or not _tells_its_status_alone(primitive):
        _send_upstream(dimse, primitive, context_id)
        return
    message = DIMSEMessage()
    message.command_set = Dataset()
    message.command_set.CommandField = _RESPONSE
    evt.trigger(dimse.assoc, evt.EVT_DIMSE_SENT, {"message": message})
    limit = dimse.maximum_pdu_size or _LONGEST_PDU
    for fragment in fragments(store_response(primitive), context_id, limit - PDV_OVERHEAD):
        dimse.dul.send_pdu(fragment)


def _tells_its_status_alone(message: C_STORE) -> bool:
    return message.MessageIDBeingRespondedTo is not None and not (
        message.ErrorComment or message.OffendingElement
    )
