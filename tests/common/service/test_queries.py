"""Queries with bytes that are no text."""

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Scope

from isthmus.common.access import PublicRoute
from isthmus.common.dicomweb import accepted_by, public_base_url
from isthmus.common.service.server import application


async def resource(request: Request) -> Response:
    accepted_by(request)
    return Response(public_base_url(request))


async def status_of(path: str, query: bytes) -> int:
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "path": path,
        "query_string": query,
        "headers": [(b"host", b"gateway")],
    }
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await application([PublicRoute("/resource", resource)])(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize("path", ["/resource", "/resource/", "/elsewhere"])
async def test_a_query_that_is_no_text_is_a_bad_request(path: str) -> None:
    assert await status_of(path, b"accept=\x92") == 400


@pytest.mark.parametrize("query", [b"", b"PatientName=%92", "PatientName=山田".encode()])
async def test_what_is_text_is_answered(query: bytes) -> None:
    assert await status_of("/resource", query) == 200
