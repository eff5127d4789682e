"""What spans say of associations and operations, by attributes of our own: `dicom.*`."""

from typing import Protocol

from opentelemetry.trace import Span, StatusCode

from isthmus.common.dicom.statuses import as_attribute
from isthmus.common.dimse.peer import Peer
from isthmus.common.dimse.status import Category, category
from isthmus.common.telemetry import AttributeValue
from isthmus.common.telemetry.attributes import (
    DICOM_CALLED_AE,
    DICOM_CALLING_AE,
    DICOM_ORIGIN,
    DICOM_STATUS,
    DICOM_SUB_OPERATIONS_COMPLETED,
    DICOM_SUB_OPERATIONS_FAILED,
    DICOM_SUB_OPERATIONS_WARNING,
    ERROR_TYPE,
    SERVER_ADDRESS,
    SERVER_PORT,
)


class SubOperationCounts(Protocol):
    """The sub-operations of a C-GET or C-MOVE, as far as anybody has said."""

    @property
    def completed(self) -> int | None: ...
    @property
    def failed(self) -> int | None: ...
    @property
    def warning(self) -> int | None: ...


def operation_attributes(peer: Peer) -> dict[str, AttributeValue]:
    """Give what the span of an operation says of the peer."""
    return {
        DICOM_ORIGIN: peer.origin,
        DICOM_CALLED_AE: peer.called_ae_title,
        DICOM_CALLING_AE: peer.calling_ae_title,
    }


def association_attributes(peer: Peer) -> dict[str, AttributeValue]:
    """Give what the span of an association says of the peer."""
    return {**operation_attributes(peer), SERVER_ADDRESS: peer.host, SERVER_PORT: peer.port}


def tell_status(current: Span, status: int) -> None:
    """Say how an operation ended; where that is a failure, mark the span as failed."""
    told = as_attribute(status)
    current.set_attribute(DICOM_STATUS, told)
    if category(status) is Category.FAILURE:
        current.set_attribute(ERROR_TYPE, told)
        current.set_status(StatusCode.ERROR)


def tell_sub_operations(current: Span, counts: SubOperationCounts) -> None:
    """Say what became of the sub-operations."""
    for name, count in (
        (DICOM_SUB_OPERATIONS_COMPLETED, counts.completed),
        (DICOM_SUB_OPERATIONS_FAILED, counts.failed),
        (DICOM_SUB_OPERATIONS_WARNING, counts.warning),
    ):
        if count is not None:
            current.set_attribute(name, count)
