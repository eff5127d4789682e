"""Fragments of messages that come, held to the rules of PS3.8 Annex E before pynetdicom puts them together.

A patch of pynetdicom, like those of `sockets`. Upstream takes fragments as they come: a command in the
middle of a data set makes one data set of two, the data set may come on another presentation context than its
command, of two messages in one PDU the second is lost, and what it cannot read ends its thread unexplained.
"""

from typing import Final

import pynetdicom.dimse
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.pdu_primitives import P_DATA

from isthmus.common.telemetry import get_logger

LARGEST_COMMAND_SET: Final = 64 * 1024
"""Bytes; what a peer sends of one is in memory until it ends."""
_IS_COMMAND: Final = 0x01
"""The bit of the message control header that fragments of a command have (PS3.8 E.2)."""

log = get_logger(__name__)

upstream_receive: Final = DIMSEServiceProvider.receive_primitive


class Malformed(Exception):
    """What came is no fragment of a DICOM message, or does not belong here."""


def receive(dimse: DIMSEServiceProvider, primitive: P_DATA) -> None:
    """Take the fragments of a P-DATA indication, instead of pynetdicom's method.

    What is malformed is an invalid PDU to the state machine: the peer gets an A-ABORT (Evt19; PS3.8 9.2.3).
    Several messages in one PDU are against the rules too, but harmless: each is taken.
    """
    try:
        fragments = primitive.presentation_data_value_list
        if not fragments:
            raise Malformed("a P-DATA-TF PDU without a fragment")
        for context_id, fragment in fragments:
            if dimse.message is None:
                dimse.message = _begin(context_id)
            _check(dimse.message, context_id, fragment)
            upstream_receive(dimse, primitive if len(fragments) == 1 else _alone(context_id, fragment))
    except Exception as error:  # noqa: BLE001 - upstream's decoders raise anything; it may quote what came
        reason = str(error) if isinstance(error, Malformed) else f"unreadable: {type(error).__name__}"
        log.warning("no message of DICOM, the association is aborted", reason=reason)
        dimse.message = None
        dimse.dul.event_queue.put("Evt19")


def _begin(context_id: int) -> DIMSEMessage:
    message: DIMSEMessage = pynetdicom.dimse.DIMSEMessage()  # type: ignore[attr-defined]  # see `spill`
    message.context_id = context_id
    return message


def _check(message: DIMSEMessage, context_id: int, fragment: bytes) -> None:
    """Tell whether a fragment may be the next one of a message.

    Raises:
        Malformed: it may not.
    """
    if not fragment:
        raise Malformed("a fragment without a message control header")
    if message.context_id != context_id:
        raise Malformed("fragments of one message in several presentation contexts")
    is_command, has_command = bool(fragment[0] & _IS_COMMAND), bool(message.command_set)
    if is_command and has_command:
        raise Malformed("a command before the data set of the last one has ended")
    if not is_command and not has_command:
        raise Malformed("a data set before its command")
    if is_command and message.encoded_command_set.tell() + len(fragment) > LARGEST_COMMAND_SET:
        raise Malformed(f"a command set of more than {LARGEST_COMMAND_SET} bytes")


def _alone(context_id: int, fragment: bytes) -> P_DATA:
    primitive = P_DATA()
    primitive.presentation_data_value_list.append((context_id, fragment))
    return primitive
