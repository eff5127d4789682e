"""Statuses, one by one."""

import pytest

from isthmus.common.dimse import Category, Operation, category, dimse_status, failure
from isthmus.common.errors import (
    AssociationAborted,
    BusUnavailable,
    CircuitOpen,
    ContractError,
    Incomplete,
    InvalidParameter,
    IsthmusError,
    MalformedAnswer,
    NoDestination,
    NoSuchObject,
    NotAcceptable,
    NotDelivered,
    OperationFailed,
    OriginCancelled,
    OriginTimeout,
    OriginUnreachable,
    StoreUnavailable,
    TooLarge,
    TooManyMatches,
    UnreadablePayload,
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0x0000, Category.SUCCESS),
        (0x0001, Category.WARNING),
        (0x0107, Category.WARNING),
        (0x0116, Category.WARNING),
        (0x0110, Category.FAILURE),
        (0x0124, Category.FAILURE),
        (0xA700, Category.FAILURE),
        (0xA900, Category.FAILURE),
        (0xB000, Category.WARNING),
        (0xB007, Category.WARNING),
        (0xC000, Category.FAILURE),
        (0xFE00, Category.CANCEL),
        (0xFF00, Category.PENDING),
        (0xFF01, Category.PENDING),
        (0xFF02, Category.FAILURE),
        (0x4711, Category.FAILURE),
    ],
)
def test_the_class_of_a_status(status: int, expected: Category) -> None:
    assert category(status) is expected


def test_a_failure_names_the_operation_the_status_and_its_meaning() -> None:
    error = failure(0xA801, Operation.C_MOVE, "pacs")
    assert isinstance(error, OperationFailed)
    assert (error.origin, error.status, error.operation) == ("pacs", 0xA801, "C-MOVE")
    assert error.detail == "C-MOVE failed with status A801: Refused: Move Destination unknown"


def test_a_cancellation_is_its_own_error() -> None:
    assert isinstance(failure(0xFE00, Operation.C_FIND, "pacs"), OriginCancelled)


@pytest.mark.parametrize(
    ("error", "operation", "status"),
    [
        (StoreUnavailable("S3"), Operation.C_STORE, 0xA700),
        (BusUnavailable("NATS"), Operation.C_GET, 0xA702),
        (OriginTimeout("slow", origin="pacs"), Operation.C_FIND, 0xA700),
        (OriginTimeout("slow", origin="pacs"), Operation.C_MOVE, 0xA702),
        (AssociationAborted("gone", origin="pacs"), Operation.C_FIND, 0xC000),
        (AssociationAborted("gone", origin="pacs"), Operation.C_ECHO, 0x0110),
        (OperationFailed("no", origin="pacs", status=0xA801), Operation.C_MOVE, 0xC000),  # we are unknown
        (OperationFailed("no", origin="pacs"), Operation.C_MOVE, 0xC000),
        (OriginCancelled("left", origin="pacs"), Operation.C_FIND, 0xFE00),
        (InvalidParameter("StudyDate", "is no date"), Operation.C_FIND, 0xA900),
        (UnreadablePayload("no data set"), Operation.C_STORE, 0xA900),
        (NotAcceptable("not so", []), Operation.C_STORE, 0xC122),
        (NotAcceptable("not so", []), Operation.C_GET, 0x0122),
        (NoSuchObject("none"), Operation.C_FIND, 0x0000),
        (NoSuchObject("none"), Operation.C_GET, 0xC000),
        (Incomplete("some", origin="pacs", missing=["1.2"]), Operation.C_GET, 0xB000),
        (ContractError("what"), Operation.C_STORE, 0xC000),
        (CircuitOpen("away", origin="pacs"), Operation.C_FIND, 0xA700),
        (CircuitOpen("away", origin="pacs"), Operation.C_MOVE, 0xA702),
        (TooLarge("too much"), Operation.C_STORE, 0xA700),
        (TooManyMatches("too many"), Operation.C_FIND, 0xA700),
        (OriginUnreachable("no", origin="pacs"), Operation.C_STORE, 0xC000),
        (OriginUnreachable("no", origin="pacs"), Operation.C_ECHO, 0x0110),
        (MalformedAnswer("what", origin="pacs"), Operation.C_FIND, 0xC000),
        (NotDelivered("nothing", origin="pacs"), Operation.C_GET, 0xC000),
        (OriginCancelled("left", origin="pacs"), Operation.C_STORE, 0xA700),
        (NoDestination("which"), Operation.C_STORE, 0x0112),
        # What an origin said to another operation than the client's.
        (OperationFailed("no", origin="pacs", status=0xA700, operation="C-FIND"), Operation.C_GET, 0xA702),
        (OperationFailed("no", origin="pacs", status=0xA701, operation="C-GET"), Operation.C_GET, 0xA701),
        (OperationFailed("no", origin="pacs", status=0xA702, operation="C-GET"), Operation.C_FIND, 0xA700),
        (OperationFailed("no", origin="pacs", status=0xA900, operation="C-FIND"), Operation.C_MOVE, 0xC000),
        (OperationFailed("no", origin="pacs", status=0xA900, operation="C-FIND"), Operation.C_FIND, 0xA900),
        (OperationFailed("no", origin="pacs", status=0xA9FF, operation="C-STORE"), Operation.C_STORE, 0xA9FF),
        (OperationFailed("no", origin="pacs", status=0x0110, operation="C-STORE"), Operation.C_STORE, 0x0110),
    ],
)
def test_the_status_that_answers_an_error(error: IsthmusError, operation: Operation, status: int) -> None:
    assert dimse_status(error, operation) == status
