"""DIMSE statuses: what kind each is, and the error it becomes.

The numbers, and words for them, are in `isthmus.common.dicom.statuses`; which status an error becomes, in
`translation`.
"""

from enum import Enum, StrEnum

from isthmus.common.dicom.statuses import (
    CANCELLED,
    PENDING,
    PENDING_WITHOUT_OPTIONAL_KEYS,
    SUCCESS,
    WARNINGS,
    meaning,
)
from isthmus.common.errors import OperationFailed, OriginCancelled, OriginError


class Operation(StrEnum):
    """The DIMSE-C services (PS3.7 9.1), and what we use of the DIMSE-N services (PS3.7 10.1)."""

    C_ECHO = "C-ECHO"
    C_FIND = "C-FIND"
    C_GET = "C-GET"
    C_MOVE = "C-MOVE"
    C_STORE = "C-STORE"
    N_EVENT_REPORT = "N-EVENT-REPORT"


class Category(Enum):
    """The classes of statuses (PS3.7 C.1)."""

    SUCCESS = "success"
    PENDING = "pending"
    WARNING = "warning"
    CANCEL = "cancel"
    FAILURE = "failure"


def category(status: int) -> Category:
    """Tell the class of a status; one that the standard does not know is a failure."""
    if status == SUCCESS:
        return Category.SUCCESS
    if status in (PENDING, PENDING_WITHOUT_OPTIONAL_KEYS):
        return Category.PENDING
    if status == CANCELLED:
        return Category.CANCEL
    if status in WARNINGS or status >> 12 == 0xB:
        return Category.WARNING
    return Category.FAILURE


def failure(status: int, operation: Operation, origin: str) -> OriginError:
    """Make the error of a final status that is neither success nor warning.

    The origin's Error Comment is not in it: an origin may quote the patient there.
    """
    if category(status) is Category.CANCEL:
        return OriginCancelled(f"{operation} was cancelled", origin=origin, status=status)
    return OperationFailed(
        f"{operation} failed with status {status:04X}: {meaning(status)}",
        origin=origin,
        status=status,
        operation=operation,
    )
