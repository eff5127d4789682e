"""What is measured of a DIMSE operation, on either side of it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from isthmus.common.dicom.statuses import as_attribute
from isthmus.common.dimse.pdus import Readable
from isthmus.common.dimse.status import Operation
from isthmus.common.errors import (
    AssociationAborted,
    AssociationRejected,
    NoAcceptedContext,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
)
from isthmus.common.telemetry.attributes import (
    DICOM_OPERATION,
    DICOM_ORIGIN,
    DICOM_ROLE,
    DICOM_STATUS,
    ERROR_TYPE,
    ISTHMUS_REASON,
    NETWORK_IO_DIRECTION,
)
from isthmus.common.telemetry.instruments import associations_refused, data_size, operation_duration


class Role(StrEnum):
    """What we are in an operation (PS3.4 5.2)."""

    SCU = "scu"
    SCP = "scp"


DIRECTIONS: Final[Mapping[Role, str]] = {Role.SCU: "transmit", Role.SCP: "receive"}
"""Which way the data set of a C-STORE goes."""
REASONS: Final[Mapping[type[OriginError], str]] = {
    AssociationRejected: "rejected",
    NoAcceptedContext: "no_context",
    OriginUnreachable: "unreachable",
    OriginTimeout: "timeout",
    AssociationAborted: "aborted",
    OriginError: "other",
}
"""Why there is no association."""


class Measured:
    """An operation that runs."""

    def __init__(self, origin: str | None) -> None:
        self.origin = origin
        """As `measured` has it; may be told later."""
        self.status: int | None = None
        """Of the final response, once there is one."""


class Outgoing:
    """A data set that goes out."""

    def __init__(self, data: Readable) -> None:
        self._data = data
        self.size = 0
        """Bytes that were read of it."""

    def read(self, size: int, /) -> bytes:
        """Give the next bytes."""
        some = self._data.read(size)
        self.size += len(some)
        return some


@contextmanager
def measured(operation: str, role: Role, origin: str | None) -> Iterator[Measured]:
    """Measure how long an operation takes to its final response, and how it ends.

    Args:
        operation: the DIMSE service.
        role: what we are in it.
        origin: the name of the one that it is about, by the settings; None where a stranger asks for none.
    """
    began = time.monotonic()
    one = Measured(origin)
    ended: dict[str, str] = {}
    try:
        yield one
    except BaseException as error:
        if one.status is None:
            ended[ERROR_TYPE] = type(error).__qualname__
        raise
    finally:
        if one.status is not None:
            ended[DICOM_STATUS] = as_attribute(one.status)
        operation_duration.record(time.monotonic() - began, {**_labels(operation, role, one.origin), **ended})


def count_data(role: Role, origin: str | None, size: int) -> None:
    """Count the bytes of the data set of a C-STORE."""
    labels = _labels(Operation.C_STORE, role, origin)
    data_size.add(size, {**labels, NETWORK_IO_DIRECTION: DIRECTIONS[role]})


@contextmanager
def count_refused(origin: str) -> Iterator[None]:
    """Count a request for an association of which none comes, by why."""
    try:
        yield
    except OriginError as error:
        reason = next(word for kind, word in REASONS.items() if isinstance(error, kind))
        associations_refused.add(1, {DICOM_ORIGIN: origin, ISTHMUS_REASON: reason})
        raise


def _labels(operation: str, role: Role, origin: str | None) -> dict[str, str]:
    labels = {DICOM_OPERATION: str(operation), DICOM_ROLE: role.value}
    return labels if origin is None else {**labels, DICOM_ORIGIN: origin}
