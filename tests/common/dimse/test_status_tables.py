"""The two tables of statuses, row by row: what an HTTP status is to a DIMSE client, and the other way."""

import pytest

from isthmus.common import errors
from isthmus.common.dicom.statuses import LONGEST_COMMENT, error_comment
from isthmus.common.dicomweb import http_status
from isthmus.common.dimse import Operation, dimse_status, status_of_http
from isthmus.common.errors import HttpOperationFailed, IsthmusError, OperationFailed
from isthmus.stow.response import Outcome, Report

FIND, GET, MOVE, STORE = Operation.C_FIND, Operation.C_GET, Operation.C_MOVE, Operation.C_STORE
ALL = (FIND, STORE, MOVE, GET)


@pytest.mark.parametrize(
    ("answered", "find", "store", "move"),
    [
        (200, 0x0000, 0x0000, 0x0000),
        (204, 0x0000, 0x0000, 0x0000),
        (202, 0xB000, 0xB000, 0xB000),
        (206, 0xB000, 0xB000, 0xB000),
        (302, 0xC000, 0xC000, 0xC000),
        (400, 0xA900, 0xA900, 0xA900),
        (401, 0x0124, 0x0124, 0x0124),
        (403, 0x0124, 0x0124, 0x0124),
        (404, 0x0000, 0xC000, 0xC000),
        (405, 0xC000, 0xC000, 0xC000),
        (406, 0x0122, 0xC122, 0x0122),
        (408, 0xA700, 0xA700, 0xA702),
        (409, 0xC000, 0xC000, 0xC000),
        (410, 0x0000, 0xC000, 0xC000),
        (413, 0xA700, 0xA700, 0xA702),
        (415, 0x0122, 0xC122, 0x0122),
        (429, 0xA700, 0xA700, 0xA702),
        (500, 0xC000, 0xC000, 0xC000),
        (501, 0x0112, 0x0112, 0x0112),
        (502, 0xC000, 0xC000, 0xC000),
        (503, 0xA700, 0xA700, 0xA702),
        (504, 0xA700, 0xA700, 0xA702),
        (599, 0xC000, 0xC000, 0xC000),
    ],
)
def test_what_a_dicomweb_origin_answered_is_to_a_dimse_client(
    answered: int, find: int, store: int, move: int
) -> None:
    assert [status_of_http(answered, operation) for operation in ALL] == [find, store, move, move]
    if answered >= 300:
        error = HttpOperationFailed("no", origin="cloud", http_status=answered)
        assert [dimse_status(error, operation) for operation in ALL] == [find, store, move, move]


@pytest.mark.parametrize("reason", [0x0110, 0x0122, 0x0124, 0xA700, 0xA900, 0xC000, 0xC122])
def test_the_failure_reason_of_an_instance_says_more_than_409(reason: int) -> None:
    error = HttpOperationFailed("no", origin="cloud", status=reason, http_status=409)
    assert dimse_status(error, STORE) == reason


@pytest.mark.parametrize(
    ("said", "operation", "answered"),
    [
        (0xA700, "C-FIND", 503),
        (0xA900, "C-FIND", 400),
        (0xC000, "C-FIND", 502),
        (0xA701, "C-MOVE", 503),
        (0xA702, "C-GET", 503),
        (0xA801, "C-MOVE", 502),
        (0xA900, "C-GET", 502),
        (0xC000, "C-MOVE", 502),
        (0x0110, "C-GET", 502),
        (0x0122, "C-FIND", 501),
        (0x0211, "C-GET", 501),
        (0x0124, "C-MOVE", 403),
    ],
)
def test_what_a_pacs_said_is_to_an_http_client(said: int, operation: str, answered: int) -> None:
    assert http_status(OperationFailed("no", origin="pacs", status=said, operation=operation)) == answered


@pytest.mark.parametrize(
    ("statuses", "answered"),
    [
        ((0x0000, 0x0000), 200),
        ((0xB000, 0x0000), 202),
        ((0xB006, 0xB007), 202),
        ((0x0000, 0xA700), 202),
        ((0xA700, 0xA701), 503),
        ((0xA700, 0xA900), 409),
        ((0xA900,), 409),
        ((0xC000,), 409),
        ((0x0110,), 409),
        ((0x0122,), 409),
        ((0x0124,), 409),
    ],
)
def test_what_a_pacs_said_of_instances_is_to_an_http_client(statuses: tuple[int, ...], answered: int) -> None:
    outcomes = tuple(Outcome("1.2", "1.2.3", f"1.2.3.{n}", "1.2.840", one) for n, one in enumerate(statuses))
    assert Report(outcomes).status_code == answered


@pytest.mark.parametrize(
    ("error", "answered", "find", "store", "move"),
    [
        (errors.OriginUnreachable("x", origin="a"), 502, 0xC000, 0xC000, 0xC000),
        (errors.AssociationRejected("x", origin="a"), 502, 0xC000, 0xC000, 0xC000),
        (errors.NoAcceptedContext("x", origin="a"), 502, 0xC000, 0xC000, 0xC000),
        (errors.AssociationAborted("x", origin="a"), 502, 0xC000, 0xC000, 0xC000),
        (errors.MalformedAnswer("x", origin="a"), 502, 0xC000, 0xC000, 0xC000),
        (errors.TruncatedAnswer("x", origin="a"), 502, 0xC000, 0xC000, 0xC000),
        (errors.NotDelivered("x", origin="a"), 502, 0xC000, 0xC000, 0xC000),
        (errors.OriginTimeout("x", origin="a"), 504, 0xA700, 0xA700, 0xA702),
        (errors.NotTried("x", origin="a"), 504, 0xA700, 0xA700, 0xA702),
        (errors.CircuitOpen("x", origin="a"), 503, 0xA700, 0xA700, 0xA702),
        (errors.NoSuchObject("x"), 404, 0x0000, 0xC000, 0xC000),
        (errors.UnknownOrigin("x"), 404, 0xC000, 0xC000, 0xC000),
        (errors.BusUnavailable("x"), 503, 0xA700, 0xA700, 0xA702),
        (errors.StoreUnavailable("x"), 503, 0xA700, 0xA700, 0xA702),
        (errors.NoWorker("x"), 503, 0xA700, 0xA700, 0xA702),
        (errors.TooManyMatches("x"), 413, 0xA700, 0xA700, 0xA702),
        (errors.TooLarge("x"), 413, 0xA700, 0xA700, 0xA702),
        (errors.InvalidParameter("x", "y"), 400, 0xA900, 0xA900, 0xA900),
        (errors.NotAcceptable("x", []), 406, 0x0122, 0xC122, 0x0122),
        (errors.UnsupportedMediaType("x"), 415, 0x0122, 0xC122, 0x0122),
        (errors.NoDestination("x"), 501, 0x0112, 0x0112, 0x0112),
        (errors.Unauthenticated("x"), 401, 0x0124, 0x0124, 0x0124),
        (errors.Forbidden("x"), 403, 0x0124, 0x0124, 0x0124),
    ],
)
def test_an_error_of_ours_is_the_same_to_clients_of_both_kinds(
    error: IsthmusError, answered: int, find: int, store: int, move: int
) -> None:
    assert http_status(error) == answered
    assert [dimse_status(error, operation) for operation in ALL] == [find, store, move, move]


def test_an_error_comment_has_64_characters_at_most() -> None:
    assert error_comment("x" * 65) == "x" * LONGEST_COMMENT == "x" * 64
