"""DIMSE statuses: what kind each is, the error it becomes, and the status that an error becomes.

The numbers, and words for them, are in `isthmus.common.dicom.statuses`.
"""

from enum import Enum, StrEnum

from isthmus.common import errors
from isthmus.common.dicom.statuses import (
    CANCELLED,
    DATA_SET_MISMATCH,
    OUT_OF_RESOURCES,
    OUT_OF_RESOURCES_SUB_OPERATIONS,
    PENDING,
    PENDING_WITHOUT_OPTIONAL_KEYS,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUB_OPERATIONS_FAILED,
    SUCCESS,
    TRANSFER_SYNTAX_NOT_SUPPORTED,
    UNABLE_TO_PROCESS,
    WARNINGS,
    meaning,
)
from isthmus.common.errors import IsthmusError, OperationFailed, OriginCancelled, OriginError


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


def dimse_status(error: IsthmusError, operation: Operation) -> int:
    """Give the status with which the DIMSE face answers to `error` (PS3.7 Annex C; PS3.4 B.2.3 and C.4)."""
    match error:
        case errors.OperationFailed(status=int() as said):
            status = said
        case errors.OriginCancelled():
            status = CANCELLED
        case errors.NoSuchObject() if operation is Operation.C_FIND:
            status = SUCCESS  # no match
        case errors.InvalidParameter() | errors.UnreadablePayload():
            status = DATA_SET_MISMATCH
        case errors.NotAcceptable() | errors.UnsupportedMediaType():
            storing = operation is Operation.C_STORE
            status = TRANSFER_SYNTAX_NOT_SUPPORTED if storing else SOP_CLASS_NOT_SUPPORTED
        case errors.UnavailableError() | errors.OriginTimeout() | errors.TooManyMatches():
            moving = operation in (Operation.C_GET, Operation.C_MOVE)
            status = OUT_OF_RESOURCES_SUB_OPERATIONS if moving else OUT_OF_RESOURCES
        case errors.Incomplete():
            status = SUB_OPERATIONS_FAILED
        case _:
            status = PROCESSING_FAILURE if operation is Operation.C_ECHO else UNABLE_TO_PROCESS
    return status
