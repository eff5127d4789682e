"""What every face does with requests from web pages of other origins (Fetch standard, CORS protocol)."""

from collections.abc import Sequence

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from isthmus.common.access import PublicRoute
from isthmus.common.errors import NoSuchObject
from isthmus.common.service.server import application

VIEWER = "https://viewer.example.org"


async def studies(_: Request) -> Response:
    return Response("[]", headers={"Warning": "299 here: There are additional results"})


async def nothing(_: Request) -> Response:
    raise NoSuchObject("nothing")


def client(*cors_origins: str) -> httpx2.AsyncClient:
    app = application([PublicRoute("/studies", studies), PublicRoute("/nothing", nothing)], cors_origins)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway")


@pytest.mark.parametrize("allowed", [[VIEWER], ["*"]])
async def test_pages_of_an_allowed_origin_may_read_answers_and_errors(allowed: Sequence[str]) -> None:
    async with client(*allowed) as http:
        for path, status in (("/studies", 200), ("/nothing", 404)):
            response = await http.get(path, headers={"Origin": VIEWER})
            assert response.status_code == status
            assert response.headers["Access-Control-Allow-Origin"] in (VIEWER, "*")
            assert "Warning" in response.headers["Access-Control-Expose-Headers"]


async def test_a_preflight_allows_what_dicomweb_needs() -> None:
    async with client(VIEWER) as http:
        asked = {
            "Origin": VIEWER,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,traceparent",
        }
        response = await http.options("/studies", headers=asked)
    assert response.status_code == 200
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "traceparent" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("allowed", "status"), [([VIEWER], 200), (["*"], 400), ([VIEWER, "*"], 400), (["https://other.org"], 400)]
)
async def test_only_pages_of_origins_that_are_named_may_delete(allowed: Sequence[str], status: int) -> None:
    async with client(*allowed) as http:
        asked = {"Origin": VIEWER, "Access-Control-Request-Method": "DELETE"}
        response = await http.options("/studies", headers=asked)
    assert response.status_code == status


@pytest.mark.parametrize("allowed", [[], ["https://other.example.org"]])
async def test_no_other_page_may(allowed: Sequence[str]) -> None:
    async with client(*allowed) as http:
        response = await http.get("/studies", headers={"Origin": VIEWER})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/aets/inbox/studies/1.2", "DELETE, GET, HEAD, POST"),
        ("PUT", "/aets/pacs/studies/1.2", "GET, HEAD, POST"),
        ("PUT", "/dicomweb/studies/1.2", "GET, HEAD, POST"),
        ("DELETE", "/aets/inbox/studies", "GET, HEAD, POST"),
        ("PATCH", "/aets/inbox/studies/1.2/series/3", "DELETE, GET, HEAD"),
        ("DELETE", "/aets/inbox/studies/1.2/series", "GET, HEAD"),
        ("DELETE", "/aets/inbox", "GET, HEAD, OPTIONS"),
        ("PUT", "/dicomweb", "OPTIONS"),
    ],
)
async def test_who_uses_a_wrong_method_is_told_those_of_all_faces(
    method: str, path: str, allowed: str
) -> None:
    """RFC 9110 15.5.6; each face serves but some of them."""
    own = [
        PublicRoute(root + path, studies)
        for root in ("/aets/{origin}", "/dicomweb")
        for path in ("/studies", "/studies/{study}", "/studies/{study}/series")
    ]
    own += [
        PublicRoute(path, studies)
        for path in ("/aets/{origin}/studies/{study}/series/{series}", "/aets/{origin}")
    ]
    own.append(PublicRoute("/dicomweb", studies, methods=["OPTIONS"]))
    app = application(own, inboxes=["inbox"])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:
        response = await http.request(method, path)
    assert response.status_code == 405
    assert response.headers["Allow"] == allowed
    assert response.json()["title"] == "The method is not allowed"


async def test_what_is_no_resource_of_dicomweb_has_the_methods_of_its_route() -> None:
    async with client() as http:
        response = await http.delete("/nothing")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}
