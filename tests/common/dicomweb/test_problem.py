"""Errors as problem+json, each class with its HTTP status."""

import json
import logging
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from isthmus.common import errors
from isthmus.common.dicomweb import exception_handlers, http_status, problem_response
from isthmus.common.errors import IsthmusError, OperationFailed


def body(response: Response) -> dict[str, object]:
    read: dict[str, object] = json.loads(bytes(response.body))
    return read


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidParameter("limit", "not a number"), 400),
        (errors.UnreadablePayload("x"), 400),
        (errors.TruncatedPayload("x"), 400),
        (errors.UnknownOrigin("nowhere"), 404),
        (errors.NoSuchObject("x"), 404),
        (errors.MethodNotAllowed("x", ["GET"]), 405),
        (errors.NotAcceptable("x", []), 406),
        (errors.TooManyMatches("x"), 413),
        (errors.NoDestination("x"), 501),
        (errors.UnsupportedMediaType("x"), 415),
        (errors.OriginUnreachable("x", origin="pacs"), 502),
        (errors.AssociationRejected("x", origin="pacs"), 502),
        (errors.NoAcceptedContext("x", origin="pacs"), 502),
        (errors.AssociationAborted("x", origin="pacs"), 502),
        (errors.NotDelivered("x", origin="pacs"), 502),
        (errors.Incomplete("x", origin="pacs", missing=["1.2"]), 502),
        (errors.OriginTimeout("x", origin="pacs"), 504),
        (errors.OriginCancelled("x", origin="pacs"), 503),
        (errors.NoWorker("x"), 503),
        (errors.BusUnavailable("x"), 503),
        (errors.StoreUnavailable("x"), 503),
        (errors.BlobMissing("x"), 503),
        (errors.ContractError("x"), 500),
        (errors.SettingsError("x"), 500),
        (IsthmusError("x"), 500),
    ],
)
def test_each_error_has_its_status(error: IsthmusError, status: int) -> None:
    assert problem_response(error).status_code == status


@pytest.mark.parametrize(
    ("dimse_status", "status"),
    [
        (None, 502),
        (0xA700, 503),
        (0xA701, 503),
        (0xA702, 503),
        (0xA801, 502),
        (0xC000, 502),
        (0xCFFF, 502),
        (0x0110, 502),
        (0x0122, 501),
        (0x0211, 501),
        (0x0124, 403),
    ],
)
def test_each_dimse_status_has_its_http_status(dimse_status: int | None, status: int) -> None:
    assert http_status(OperationFailed("x", origin="pacs", status=dimse_status)) == status


@pytest.mark.parametrize(
    ("operation", "status"), [("C-FIND", 400), (None, 400), ("C-GET", 502), ("C-MOVE", 502)]
)
def test_a_refused_identifier_is_the_clients_fault_in_a_search_only(
    operation: str | None, status: int
) -> None:
    assert http_status(OperationFailed("x", origin="pacs", status=0xA900, operation=operation)) == status


@pytest.mark.parametrize(
    ("answered", "status"),
    [
        (400, 400),
        (401, 403),
        (403, 403),
        (404, 404),
        (406, 406),
        (409, 409),
        (410, 404),
        (413, 413),
        (415, 415),
        (429, 503),
        (500, 502),
        (501, 501),
        (502, 502),
        (503, 503),
        (504, 504),
        (302, 502),
    ],
)
def test_each_status_of_a_dicomweb_origin_has_its_own(answered: int, status: int) -> None:
    error = errors.HttpOperationFailed("x", origin="cloud", http_status=answered)
    assert http_status(error) == status
    assert body(problem_response(error))["http_status"] == answered


def test_a_client_hears_when_the_origin_can_be_asked_again() -> None:
    error = errors.HttpOperationFailed("x", origin="cloud", http_status=503, retry_after=16.5)
    assert problem_response(error).headers["Retry-After"] == "17"


def every_error(kind: type[IsthmusError]) -> list[type[IsthmusError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in every_error(child))]


@pytest.mark.parametrize("kind", every_error(IsthmusError))
def test_no_error_is_without_a_status(kind: type[IsthmusError]) -> None:
    error = kind.__new__(kind)
    IsthmusError.__init__(error, "x")
    error.__dict__.setdefault("status", None)
    error.__dict__.setdefault("http_status", 418)
    assert http_status(error) >= 400


def test_the_methods_that_there_are_are_listed() -> None:
    assert problem_response(errors.MethodNotAllowed("x", ["GET", "HEAD"])).headers["Allow"] == "GET, HEAD"


def test_a_parameter_is_named() -> None:
    response = problem_response(errors.InvalidParameter("limit", "not a number"))
    assert response.media_type == "application/problem+json"
    assert body(response) == {
        "type": "urn:isthmus:problem:invalid-parameter",
        "title": "A parameter is invalid",
        "status": 400,
        "detail": "limit: not a number",
        "parameter": "limit",
    }


def test_what_there_is_is_listed() -> None:
    response = problem_response(errors.NotAcceptable("x", ["application/dicom"]))
    assert body(response)["available"] == ["application/dicom"]


def test_what_the_origin_said_is_told() -> None:
    members = body(problem_response(OperationFailed("x", origin="pacs", status=0xA701)))
    assert members["origin"] == "pacs"
    assert members["dimse_status"] == "A701"
    assert members["dimse_meaning"] == (
        "Refused: out of resources, unable to calculate the number of matches"
    )


def test_an_origin_that_gave_no_status_has_none() -> None:
    members = body(problem_response(errors.OriginUnreachable("x", origin="pacs")))
    assert members["origin"] == "pacs"
    assert "dimse_status" not in members


def test_what_is_missing_is_named() -> None:
    members = body(problem_response(errors.Incomplete("x", origin="pacs", missing=["1.2", "1.3"])))
    assert members["missing"] == ["1.2", "1.3"]


def test_who_may_try_again_is_told_when() -> None:
    assert int(problem_response(errors.NoWorker("x")).headers["Retry-After"]) > 0
    assert int(problem_response(OperationFailed("x", origin="p", status=0xA700)).headers["Retry-After"]) > 0
    assert "Retry-After" not in problem_response(errors.NoSuchObject("x")).headers


def test_the_trace_is_named() -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as span:
        members = body(problem_response(errors.NoSuchObject("x")))
    assert members["trace_id"] == trace.format_trace_id(span.get_span_context().trace_id)


def test_details_never_reach_a_header() -> None:
    response = problem_response(errors.UnknownOrigin("a\r\nX-Evil: 1"))
    assert b"Evil" not in b"".join(name + value for name, value in response.raw_headers)


def test_our_own_faults_keep_their_details_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    response = problem_response(errors.ContractError("field 'level' is missing"))
    assert b"level" not in response.body
    assert "field 'level' is missing" in caplog.text


async def raise_asked_for(request: Request) -> Response:
    match request.path_params["what"]:
        case "known":
            raise errors.NoSuchObject("The origin has no such study")
        case patient_name:
            raise LookupError(patient_name)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(
        routes=[Route("/{what}", raise_asked_for)],
        exception_handlers=exception_handlers,
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


async def test_an_error_in_a_route_is_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.get("/known")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["detail"] == "The origin has no such study"


async def test_an_unknown_route_is_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.get("/no/such")
    assert response.status_code == 404
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
    }


async def test_a_wrong_method_is_a_problem_that_lists_the_right_ones(client: httpx.AsyncClient) -> None:
    response = await client.delete("/known")
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert response.json()["status"] == 405


async def test_a_foreign_exception_says_nothing_to_the_client_nor_its_text_to_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = await client.get("/DOE^JANE")
    assert response.status_code == 500
    assert response.json() == {
        "type": "urn:isthmus:problem:internal",
        "title": "The gateway failed",
        "status": 500,
    }
    assert "LookupError" in caplog.text
    assert "raise_asked_for" in caplog.text
    assert "DOE" not in caplog.text
