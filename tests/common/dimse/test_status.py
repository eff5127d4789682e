"""Statuses, one by one."""

import pytest

from isthmus.common.dimse import Category, Operation, category, dimse_status, failure
from isthmus.common.errors import (
    AssociationAborted,
    BusUnavailable,
    ContractError,
    Incomplete,
    InvalidParameter,
    IsthmusError,
    NoSuchObject,
    NotAcceptable,
    OperationFailed,
    OriginCancelled,
    OriginTimeout,
    StoreUnavailable,
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
        (OperationFailed("no", origin="pacs", status=0xA801), Operation.C_MOVE, 0xA801),
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
    ],
)
def test_the_status_that_answers_an_error(error: IsthmusError, operation: Operation, status: int) -> None:
    assert dimse_status(error, operation) == status
