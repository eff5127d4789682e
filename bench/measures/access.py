"""What it takes to tell who sends a request, and that he may: by a known token or API key, or by a link."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope

from bench.site import Site
from bench.table import Section, delay
from isthmus.common.access import AccessRoute, access_of
from isthmus.common.access.authenticator import Authenticator
from isthmus.common.access.key_store import KeyRing
from isthmus.common.auth import Policy, Right
from isthmus.common.auth.links import Links
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.config.settings import Nats
from isthmus.common.service.server import application
from tests import idp

_REQUESTS: Final = 500
_AT_MOST: Final = 0.001
_RULES: Final = 50
"""Of which the last ones are those that count."""
_ORIGIN: Final = {"name": "pacs", "protocol": "dimse", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
_LINK_KEY: Final = "a link key of the benchmark alone, for nobody else"
_KEY: Final = "benchmark"


def measure(site: Site) -> Section:
    """Ask a face that does nothing else, in this process: with rules and a credential, and without either."""
    return asyncio.run(_measure(site))


async def _measure(site: Site) -> Section:
    run_file = site.gateway.run_file.nats
    nats = Nats(url=run_file.url, user=run_file.user, password=run_file.password)
    bus = await Bus.connect(nats, "bench")
    try:
        async with idp.running() as provider:
            return await _compared(site, bus, provider)
    finally:
        await KeyRing(bus).revoke(_KEY)
        await bus.close()


async def _compared(site: Site, bus: Bus, provider: idp.Idp) -> Section:
    key = await KeyRing(bus).create(_KEY)
    others = [{"user": f"user{number}", "operations": ["retrieve"]} for number in range(_RULES)]
    rules = [
        *others,
        {"claims": {"groups": ["radiology"]}, "operations": ["retrieve"]},
        {"key": _KEY, "operations": ["retrieve"]},
    ]
    access = {"rules": rules, "oidc": [provider.oidc().model_dump()], "link_key": _LINK_KEY}
    link = Links(_LINK_KEY).make("pacs", "1.2.3", time.time() + 3600)
    shown = {
        "a token": provider.token({"groups": ["staff", "radiology"]}, seconds=3600),
        "an API key": key or "",
        "a link": link,
    }
    guarded, guard = _face(bus, access)
    plain, none = _face(bus, {})
    turns = {name: (guarded, f"Bearer {text}") for name, text in shown.items()} | {"nothing": (plain, "")}
    for app, credential in turns.values():
        await _seconds(app, credential)  # from now on it is known
    times: dict[str, list[float]] = {name: [] for name in turns}
    names = list(turns)
    for number in range(site.options.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            times[name].append(await _seconds(*turns[name]))
    await guard.close()
    await none.close()
    rows = [
        delay(
            f"a request with {name} that is known, against one without rules",
            times[name],
            times["nothing"],
            at_most=_AT_MOST,
        )
        for name in shown
    ]
    return Section("Access", rows, [f"In one process, {_REQUESTS} requests a round, {_RULES + 2} rules."])


def _face(bus: Bus, access: Mapping[str, object]) -> tuple[ASGIApp, Authenticator]:
    settings = Settings.model_validate({"origins": [_ORIGIN], "access": access})
    authenticator = Authenticator(settings, bus)
    routes = [AccessRoute("/aets/{origin}/studies/{study}", _answer, right=Right.RETRIEVE)]
    return application(routes, policy=Policy.of(settings), authenticate=authenticator), authenticator


async def _answer(request: Request) -> Response:
    access_of(request).permit("pacs")
    return Response()


async def _seconds(app: ASGIApp, credential: str) -> float:
    """Give the mean time of a request, without a network."""
    headers: Sequence[tuple[bytes, bytes]] = [(b"authorization", credential.encode())] if credential else []
    statuses: set[int] = set()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.add(message["status"])

    async def receive() -> Message:
        return {"type": "http.request"}

    began = time.perf_counter()
    for _ in range(_REQUESTS):
        scope: Scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/aets/pacs/studies/1.2.3",
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        await app(scope, receive, send)
    assert statuses == {200}, statuses
    return (time.perf_counter() - began) / _REQUESTS
