"""The status with which the DIMSE face answers: that of an error, and that of an HTTP status.

The other way, from a DIMSE status to HTTP, is in `isthmus.common.dicomweb.problem`, and, for the instances of
a store request, in stow's response.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from isthmus.common import errors
from isthmus.common.dicom.statuses import (
    CANCELLED,
    DATA_SET_MISMATCH,
    MOVE_DESTINATION_UNKNOWN,
    NO_SUCH_SOP_INSTANCE,
    NOT_AUTHORIZED,
    OUT_OF_RESOURCES,
    OUT_OF_RESOURCES_SUB_OPERATIONS,
    PROCESSING_FAILURE,
    SOP_CLASS_NOT_SUPPORTED,
    SUB_OPERATIONS_FAILED,
    SUCCESS,
    TRANSFER_SYNTAX_NOT_SUPPORTED,
    UNABLE_TO_PROCESS,
)
from isthmus.common.dimse.status import Operation
from isthmus.common.errors import IsthmusError

_MOVING: Final = frozenset({Operation.C_GET, Operation.C_MOVE})
_UNABLE_TO_COUNT: Final = 0xA701

Row = tuple[int, int, int]
"""The status for C-FIND, for C-STORE, and for C-MOVE and C-GET."""


def _all(status: int) -> Row:
    return status, status, status


_BUSY: Final = (OUT_OF_RESOURCES, OUT_OF_RESOURCES, OUT_OF_RESOURCES_SUB_OPERATIONS)
_NO_MATCH: Final = (SUCCESS, UNABLE_TO_PROCESS, UNABLE_TO_PROCESS)
_NOT_IN_THIS_FORM: Final = (SOP_CLASS_NOT_SUPPORTED, TRANSFER_SYNTAX_NOT_SUPPORTED, SOP_CLASS_NOT_SUPPORTED)
_BY_HTTP_STATUS: Final[Mapping[int, Row]] = {
    HTTPStatus.ACCEPTED: _all(SUB_OPERATIONS_FAILED),  # of C-STORE the same number is coercion
    HTTPStatus.PARTIAL_CONTENT: _all(SUB_OPERATIONS_FAILED),
    HTTPStatus.BAD_REQUEST: _all(DATA_SET_MISMATCH),
    HTTPStatus.UNAUTHORIZED: _all(NOT_AUTHORIZED),
    HTTPStatus.FORBIDDEN: _all(NOT_AUTHORIZED),
    HTTPStatus.NOT_FOUND: _NO_MATCH,
    HTTPStatus.GONE: _NO_MATCH,
    HTTPStatus.NOT_ACCEPTABLE: _NOT_IN_THIS_FORM,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: _NOT_IN_THIS_FORM,
    HTTPStatus.REQUEST_TIMEOUT: _BUSY,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _BUSY,
    HTTPStatus.TOO_MANY_REQUESTS: _BUSY,
    HTTPStatus.NOT_IMPLEMENTED: _all(NO_SUCH_SOP_INSTANCE),
    HTTPStatus.SERVICE_UNAVAILABLE: _BUSY,
    HTTPStatus.GATEWAY_TIMEOUT: _BUSY,
}
"""Of all others 2xx is a success, and what remains a failure."""
_AWAY: Final = (
    errors.UnavailableError,
    errors.OriginTimeout,
    errors.CircuitOpen,
    errors.TooManyMatches,
    errors.TooLarge,
)
"""What is worth trying again, or with less."""


def status_of_http(http_status: int, operation: Operation) -> int:
    """Give the DIMSE status of what a DICOMweb origin answered (PS3.18 8.5; PS3.7 Annex C; PS3.4 B.2.3, C.4).

    Of a store request the instance's own Failure Reason or Warning Reason says more, where there is one.
    """
    row = _BY_HTTP_STATUS.get(http_status)
    if row is not None:
        return _column(row, operation)
    return SUCCESS if http_status // 100 == 2 else _failed(operation)


def dimse_status(error: IsthmusError, operation: Operation) -> int:
    """Give the status with which the DIMSE face answers to `error` (PS3.7 Annex C; PS3.4 B.2.3 and C.4).

    Args:
        error: what happened.
        operation: what the client had asked for.
    """
    match error:
        case errors.OperationFailed(status=int() as said):
            status = _passed_on(said, error.operation, operation)
        case errors.HttpOperationFailed(status=int() as said):
            status = said  # the instance's own, by the answer to a store request
        case errors.HttpOperationFailed():
            status = status_of_http(error.http_status, operation)
        case errors.OriginCancelled():
            status = OUT_OF_RESOURCES if operation is Operation.C_STORE else CANCELLED
        case errors.NoSuchObject():
            status = _column(_NO_MATCH, operation)
        case errors.InvalidParameter() | errors.UnreadablePayload():
            status = DATA_SET_MISMATCH
        case errors.NotAcceptable() | errors.UnsupportedMediaType():
            status = _column(_NOT_IN_THIS_FORM, operation)
        case errors.Unauthenticated() | errors.Forbidden():
            status = NOT_AUTHORIZED
        case errors.NoDestination():
            status = NO_SUCH_SOP_INSTANCE
        case errors.Incomplete():
            status = SUB_OPERATIONS_FAILED
        case _:
            status = _column(_BUSY, operation) if isinstance(error, _AWAY) else _failed(operation)
    return status


def _passed_on(said: int, asked: str | None, operation: Operation) -> int:
    """Give what an origin said, as an answer to the operation that its client asked for."""
    is_ours = asked is not None and asked != operation
    if said == MOVE_DESTINATION_UNKNOWN or (is_ours and said >> 8 == DATA_SET_MISMATCH >> 8):
        return _failed(operation)  # of a destination, or an Identifier, of ours: none of the client's
    if said >> 8 == OUT_OF_RESOURCES >> 8 and not (operation in _MOVING and said == _UNABLE_TO_COUNT):
        return _column(_BUSY, operation)
    return said


def _column(row: Row, operation: Operation) -> int:
    find, store, move = row
    if operation in _MOVING:
        return move
    return store if operation is Operation.C_STORE else find


def _failed(operation: Operation) -> int:
    return PROCESSING_FAILURE if operation is Operation.C_ECHO else UNABLE_TO_PROCESS
