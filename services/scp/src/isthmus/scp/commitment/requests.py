"""Requests for storage commitment (PS3.4 J.3.2): read, checked, and kept in the work queue."""

import time
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import N_ACTION

from isthmus.common.auth import Principal, Right
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.tracing import sending
from isthmus.common.dicom.statuses import (
    INVALID_ARGUMENT_VALUE,
    NO_SUCH_ACTION_TYPE,
    NO_SUCH_SOP_CLASS,
    NO_SUCH_SOP_INSTANCE,
    RESOURCE_LIMITATION,
)
from isthmus.common.messages import decode, encode
from isthmus.common.telemetry import inject
from isthmus.scp.normalized import Refused, items_of, read_data_set, uid_of

STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"
"""The Storage Commitment Push Model SOP Class (PS3.4 J.3.5)."""
STORAGE_COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""Its one, well-known SOP Instance (PS3.4 J.3.5)."""
REQUEST_COMMITMENT: Final = 1
"""The one Action Type ID (PS3.4 J.3.2.1)."""
LARGEST_MESSAGE: Final = 900 * 1024
"""Bytes; NATS takes 1 MiB."""

Reference = tuple[str, str]
"""SOP Class UID and SOP Instance UID."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants to be told about."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """A request as it waits for its result to be reported."""

    inbox: str
    """The name of the origin, an inbox or another, that is asked to commit to what it holds."""
    transaction_uid: str
    references: tuple[Reference, ...]
    calling_ae_title: str
    address: str
    """The IP address that the request came from."""
    asked: float
    """Seconds since 1970."""
    process: str
    """The process of scp that took it."""
    association: str
    """Its association, as this process names it."""
    context_id: int
    """The presentation context of the request."""
    transfer_syntax_uid: str
    """Of that context."""
    called_ae_title: str = ""
    """By which the caller knows us; empty: the origin's own."""
    principal: Principal | None = None
    """Who asks."""

    @property
    def age(self) -> float:
        """Seconds since it came."""
        return time.time() - self.asked


def read_request(request: N_ACTION, transfer_syntax_uid: str) -> Asked:
    """Read an N-ACTION-RQ (PS3.4 Table J.3-1). It takes time: not on the loop.

    Raises:
        Refused: with the status of PS3.7 10.1.4.1.10 for what is wrong.
        StoreUnavailable: it was too large for memory, and the disk did not take it.
    """
    if request.RequestedSOPClassUID != STORAGE_COMMITMENT:
        raise Refused(NO_SUCH_SOP_CLASS, "This SOP class takes no N-ACTION here")
    if request.RequestedSOPInstanceUID != STORAGE_COMMITMENT_INSTANCE:
        raise Refused(NO_SUCH_SOP_INSTANCE, f"The SOP Instance UID is not {STORAGE_COMMITMENT_INSTANCE}")
    if request.ActionTypeID != REQUEST_COMMITMENT:
        raise Refused(NO_SUCH_ACTION_TYPE, "The Action Type ID is not 1")
    information = request.ActionInformation
    data = read_data_set(
        information if isinstance(information, BytesIO) else None, transfer_syntax_uid, INVALID_ARGUMENT_VALUE
    )
    references = tuple(dict.fromkeys(_reference(item) for item in items_of(data, "ReferencedSOPSequence")))
    if not references:
        raise Refused(INVALID_ARGUMENT_VALUE, "ReferencedSOPSequence has no item")
    return Asked(_uid(data, "TransactionUID"), references)


def _reference(item: Dataset) -> Reference:
    return _uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID")


def _uid(data: Dataset, keyword: str) -> str:
    wrong = INVALID_ARGUMENT_VALUE  # N-ACTION knows no other status for any of the three
    return uid_of(data, keyword, missing=wrong, empty=wrong, invalid=wrong)


async def keep(bus: Bus, request: CommitmentRequest) -> None:
    """Put a request into the work queue; one of the same transaction that waits there gives way to it.

    Raises:
        Refused: it names more instances than a message has room for.
        BusUnavailable: NATS does not take it.
    """
    payload = zlib.compress(encode(request))
    if len(payload) > LARGEST_MESSAGE:
        raise Refused(RESOURCE_LIMITATION, "More instances than one transaction may name")
    subject = subjects.commit(request.inbox, request.calling_ae_title, request.transaction_uid)
    with sending(subject, origin=request.inbox), bus_errors("dicom.commit"):
        headers = inject() | bus.gate.header(Right.STORE, request.inbox, payload)
        await bus.jetstream.publish(subject, payload, headers=headers)


def kept(payload: bytes) -> CommitmentRequest:
    """Read what `keep` wrote.

    Raises:
        ContractError: it is of another version.
        zlib.error: it is nothing that `keep` wrote.
    """
    return decode(zlib.decompress(payload), CommitmentRequest)
