"""A small face whose requests are authenticated as those of all faces are."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import httpx2
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from isthmus.common.access import AccessRoute, access_of
from isthmus.common.access.audit_trail import AuditTrail
from isthmus.common.access.authenticator import Authenticator
from isthmus.common.access.http import Authenticate
from isthmus.common.auth import Kind, Policy, Principal, Right, StudyLink
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.dicomweb.resource import public_base_url
from isthmus.common.service.server import application

ORIGINS = [
    {"name": name, "protocol": "dimse", "ae_title": name.upper(), "host": "127.0.0.1", "port": 11112}
    for name in ("pacs", "other")
]
ANYONE_KNOWN: Sequence[Mapping[str, object]] = (
    {"user": "alice", "operations": ["retrieve"]},
    {"key": "ai", "operations": ["retrieve"]},
    {"certificate": "CN=ct1,O=Hospital", "operations": ["retrieve"]},
    {"network": "10.7.0.0/16", "operations": ["retrieve"]},
)


def settings_of(
    access: Mapping[str, object], gateway: Mapping[str, object] | None = None, *, is_open: bool = False
) -> Settings:
    """Settings with some rules, and what else of `[access]`."""
    rules = [] if is_open else list(ANYONE_KNOWN)
    return Settings.model_validate(
        {"origins": ORIGINS, "access": {"rules": rules, **access}, "gateway": gateway or {}}
    )


async def _tell(request: Request) -> Response:
    """Tell who asks, and what is left of his URL."""
    principal = access_of(request).principal
    return JSONResponse(
        {
            "kind": principal.kind,
            "name": principal.name,
            "address": principal.address,
            "certificate": principal.certificate,
            "query": request.url.query,
            "client": request.client.host if request.client else None,
            "base": public_base_url(request),
        }
    )


def by_header(linked: str = "") -> Authenticate:
    """Take somebody for whoever the header X-User says.

    Args:
        linked: the origin of links: `link:1.2.3` is somebody with one to this study of it.
    """

    async def authenticate(connection: HTTPConnection) -> Principal:
        user = connection.headers.get("x-user", "")
        if user.startswith("link:"):
            return Principal(Kind.LINK, "a-link", link=StudyLink(linked, user.removeprefix("link:")))
        return Principal(Kind.USER, user) if user else Principal(Kind.ANYONE)

    return authenticate


@asynccontextmanager
async def face(settings: Settings, bus: Bus) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of it, which comes from 127.0.0.1."""
    authenticator = Authenticator(settings, bus)
    paths = (
        "/aets/{origin}/studies/{study}",
        "/aets/{origin}/studies/{study}/metadata",
        "/dicomweb/studies/{study}",
    )
    routes = [AccessRoute(path, _tell, right=Right.RETRIEVE) for path in paths]
    routes.append(AccessRoute("/aets/{origin}/stored", _tell, right=Right.STORE))
    app = application(
        routes, policy=Policy.of(settings), authenticate=authenticator, trail=AuditTrail(bus, "wado")
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as http:
        yield http
    await authenticator.close()
