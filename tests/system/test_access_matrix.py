"""Every route of every face, asked by everybody: who must not gets nothing, and hears of nothing."""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

import httpx2
import pytest

from isthmus.common.access import AccessRoute, PublicRoute
from isthmus.common.auth import Right
from isthmus.common.blobs import BlobStore
from isthmus.common.config.settings import Nats
from isthmus.common.dicomweb.resource import ROOTS
from tests.certificates import shown
from tests.idp import Idp, key_of
from tests.planted import NAME, PATIENT_ID
from tests.system.guarded import SUBJECT, Guarded, Headers, Target, guarded, unique_uid
from tests.wado.conftest import _reuse_processes, _reused_processes

__all__ = ["_reuse_processes", "_reused_processes"]  # fixtures

_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_FRAMES = _INSTANCE + "/frames/{frames}"
_KINDS = ("", "/metadata", "/bulkdata", "/pixeldata", "/rendered", "/thumbnail")
_SEARCHED = ("/studies", "/series", "/instances", *(_STUDY + one for one in ("/series", "/instances")))
RIGHTS: dict[tuple[str, str], Right | None] = {
    **{("GET", path): Right.SEARCH for path in (*_SEARCHED, _SERIES + "/instances")},
    **{("GET", level + kind): Right.RETRIEVE for level in (_STUDY, _SERIES, _INSTANCE) for kind in _KINDS},
    **{("GET", _FRAMES + kind): Right.RETRIEVE for kind in ("", "/rendered", "/thumbnail")},
    ("GET", _INSTANCE + "/bulkdata/{path:path}"): Right.RETRIEVE,
    ("GET", "/wado"): Right.RETRIEVE,
    ("POST", "/studies"): Right.STORE,
    ("POST", _STUDY): Right.STORE,
    **{("DELETE", level): Right.DELETE for level in (_STUDY, _SERIES, _INSTANCE)},
    ("OPTIONS", ""): None,
}
"""What is below each of the two roots, and which right it takes; None: any."""
OTHERS: dict[tuple[str, str], Right | None] = {
    ("GET", "/aets"): None,
    ("GET", "/aets/{origin}"): None,
    ("OPTIONS", "/"): None,
    ("GET", "/metrics"): Right.ADMIN,
}
PUBLIC = {"/healthz", "/readyz"}
EVERYTHING = {
    **OTHERS,
    **{(method, root + path): right for root in ROOTS for (method, path), right in RIGHTS.items()},
}
"""By method and path."""

Expected = Callable[[str, Right | None], int]
"""Gives the status for a path and the right that it takes."""


@pytest.fixture
async def faces(
    nats_settings: Nats, blobs: BlobStore, origin_name: str, tmp_path: Path
) -> AsyncIterator[Guarded]:
    idp = Idp()
    await idp.start()
    async with guarded(nats_settings, blobs, origin_name, tmp_path, idp) as faces:
        yield faces
    await idp.stop()


def methods_of(faces: Guarded) -> Iterator[tuple[str, str, Right | None]]:
    """All that can be asked, of the routes themselves; HEAD is asked where GET is."""
    for route in faces.routes:
        if isinstance(route, AccessRoute):
            for method in sorted(route.methods or ()):
                yield method, route.path, route.right


def names_an_origin(path: str) -> bool:
    return "{origin}" in path


async def statuses(
    faces: Guarded, headers: Headers, expected: Expected, *, hidden: Sequence[str] = ()
) -> dict[tuple[str, str], tuple[int, int]]:
    """Ask for everything; give where another status came than what was expected, and what did."""
    wrong = {}
    for method, path, right in methods_of(faces):
        response = await faces.ask(method, path, headers)
        wanted = expected(path, right)
        if response.status_code != wanted:
            wrong[method, path] = (response.status_code, wanted)
        if hidden:
            tells_nothing(response, faces.target, hidden)
    return wrong


def tells_nothing(response: httpx2.Response, target: Target, hidden: Sequence[str]) -> None:
    """See that neither body nor headers hold anything of a study."""
    told = response.content + repr(response.headers).encode()
    planted = (*hidden, target.series, target.instance, f"{NAME} 1", f"{PATIENT_ID}1", '"A1"', ">A1<")
    assert [text for text in planted if text.encode() in told] == []


async def test_the_table_has_every_route_and_no_other(faces: Guarded) -> None:
    found = {(method, path): right for method, path, right in methods_of(faces) if method != "HEAD"}
    assert found == EVERYTHING
    public = {route.path for route in faces.routes if isinstance(route, PublicRoute)}
    assert public == PUBLIC
    assert all(isinstance(route, AccessRoute | PublicRoute) for route in faces.routes)


def _nobody(_path: str, _right: Right | None) -> int:
    return HTTPStatus.UNAUTHORIZED


class TestWhoIsNotKnown:
    async def test_without_a_credential(self, faces: Guarded) -> None:
        hidden = [faces.target.study, faces.other]
        assert await statuses(faces, {}, _nobody, hidden=hidden) == {}

    async def test_with_a_wrong_key(self, faces: Guarded) -> None:
        right = (await faces.key("right"))["Authorization"]
        wrong = {"Authorization": right[:-4] + ("AAAA" if right[-4:] != "AAAA" else "BBBB")}
        assert await statuses(faces, wrong, _nobody, hidden=[faces.target.study]) == {}

    async def test_with_a_token_that_another_signed(self, faces: Guarded) -> None:
        named = {"kid": faces.idp.keys[0].kid}  # by the key that the provider has
        forged = faces.idp.token(key=key_of("another"), header=named)
        wrong = {"Authorization": f"Bearer {forged}"}
        assert await statuses(faces, wrong, _nobody, hidden=[faces.target.study]) == {}

    async def test_with_a_link_that_was_changed(self, faces: Guarded) -> None:
        right = faces.link(faces.target.study)["Authorization"]
        wrong = {"Authorization": right[:-2] + ("AA" if right[-2:] != "AA" else "BB")}
        assert await statuses(faces, wrong, _nobody, hidden=[faces.target.study]) == {}

    async def test_with_an_expired_key(self, faces: Guarded) -> None:
        expired = await faces.key("right", expires=1.0)
        assert await statuses(faces, expired, _nobody, hidden=[faces.target.study]) == {}

    async def test_with_an_expired_token(self, faces: Guarded) -> None:
        expired = {"Authorization": f"Bearer {faces.idp.token(seconds=-300)}"}
        assert await statuses(faces, expired, _nobody, hidden=[faces.target.study]) == {}

    async def test_with_an_expired_link(self, faces: Guarded) -> None:
        expired = faces.link(faces.target.study, hours=-1)
        assert await statuses(faces, expired, _nobody, hidden=[faces.target.study]) == {}

    async def test_with_what_only_the_gateway_may_say(self, faces: Guarded) -> None:
        claims = {"Isthmus-Client-Certificate": shown(SUBJECT), "X-Forwarded-For": "10.7.1.2"}
        wrong = faces.through_gateway(
            secret="guessed", isthmus_client_certificate=shown(SUBJECT), x_forwarded_for="10.7.1.2"
        )
        for headers in (claims, wrong, faces.through_gateway(x_forwarded_for="10.7.1.2, 10.8.0.1")):
            assert await statuses(faces, headers, _nobody, hidden=[faces.target.study]) == {}


class TestWhoMaySomethingElse:
    @pytest.fixture(autouse=True)
    async def _another_has_just_read_it(self, faces: Guarded) -> None:
        for method, path, right in methods_of(faces):
            if right is Right.RETRIEVE and method == "GET":
                response = await faces.ask(method, path, faces.token())
                assert response.status_code == HTTPStatus.OK, response.text

    async def test_at_another_origin(self, faces: Guarded) -> None:
        def expected(path: str, right: Right | None) -> int:
            if names_an_origin(path):
                return HTTPStatus.NOT_FOUND
            return {
                None: HTTPStatus.OK,
                Right.SEARCH: HTTPStatus.OK,
                Right.RETRIEVE: HTTPStatus.NOT_FOUND,
                Right.DELETE: HTTPStatus.METHOD_NOT_ALLOWED,
            }.get(right, HTTPStatus.FORBIDDEN)

        elsewhere = await faces.key("other-origin")
        assert await statuses(faces, elsewhere, expected, hidden=[faces.target.study]) == {}
        assert [one["name"] for one in (await faces.ask("GET", "/aets", elsewhere)).json()] == [faces.other]

    @pytest.mark.parametrize("by_link", [False, True], ids=["by a filter", "by a link"])
    async def test_with_another_study(self, faces: Guarded, tmp_path: Path, by_link: bool) -> None:
        def expected(_path: str, right: Right | None) -> int:
            return {
                None: HTTPStatus.OK,
                Right.SEARCH: HTTPStatus.OK,
                Right.RETRIEVE: HTTPStatus.NOT_FOUND,
            }.get(right, HTTPStatus.FORBIDDEN)

        other = await faces.another_study(tmp_path, seed=2)
        headers = faces.link(other.study) if by_link else await faces.key("other-study")
        hidden = [faces.other] if by_link else [faces.other, other.study]
        assert await statuses(faces, headers, expected, hidden=hidden) == {}

    async def test_but_neither_search_nor_read(self, faces: Guarded) -> None:
        def expected(_path: str, right: Right | None) -> int:
            return HTTPStatus.OK if right is None else HTTPStatus.FORBIDDEN

        headers = await faces.key("events")
        assert await statuses(faces, headers, expected, hidden=[faces.target.study, faces.other]) == {}

    async def test_leaves_all_as_it_is(self, faces: Guarded) -> None:
        for headers in ({}, await faces.key("other-origin"), await faces.key("other-study")):
            for method in ("DELETE", "POST"):
                for root in ROOTS:
                    await faces.ask(method, root + "/studies/{study}", headers)
        path = "/aets/{origin}/studies/{study}/instances"
        found = await faces.ask("GET", path, await faces.key("right"))
        assert len(found.json()) == 2

    async def test_hears_of_a_study_what_he_hears_of_one_that_is_not_there(self, faces: Guarded) -> None:
        absent = Target(faces.mine, unique_uid(), unique_uid(), unique_uid(), b"")
        headers = await faces.key("other-study")
        for method, path, right in methods_of(faces):
            if right not in {Right.SEARCH, Right.RETRIEVE}:
                continue
            there = _told(await faces.ask(method, path, headers), faces.target)
            assert there == _told(await faces.ask(method, path, headers, absent), absent), (method, path)


def _told(response: httpx2.Response, target: Target) -> tuple[int, object, str]:
    """What a client hears, beside what it asked for and what is another each time."""
    headers = [
        item for item in response.headers.items() if item[0] not in {"traceresponse", "content-length"}
    ]
    body = re.sub(r'"trace_id":"[0-9a-f]+"', "", response.text)
    for uid in (target.study, target.series, target.instance):
        body = body.replace(uid, "UID")
    return response.status_code, headers, body


class TestWhoMay:
    @pytest.mark.parametrize("by", ["key", "token", "certificate", "network"])
    async def test_does_everything(self, faces: Guarded, tmp_path: Path, by: str) -> None:
        headers = {
            "key": await faces.key("right"),
            "token": faces.token(),
            "certificate": faces.through_gateway(isthmus_client_certificate=shown(SUBJECT)),
            "network": faces.through_gateway(x_forwarded_for="10.7.1.2"),
        }[by]
        wrong = {}
        for method, path, right in methods_of(faces):
            target, wanted = faces.target, HTTPStatus.OK
            if right is Right.DELETE:
                target = await faces.another_study(tmp_path)
                wanted = HTTPStatus.NO_CONTENT if names_an_origin(path) else HTTPStatus.METHOD_NOT_ALLOWED
            response = await faces.ask(method, path, headers, target)
            if response.status_code != wanted:
                wrong[method, path] = response.status_code
            if right is Right.SEARCH and method == "GET":
                assert faces.target.study in response.text
        assert wrong == {}

    @pytest.mark.parametrize("by_link", [False, True], ids=["by a filter", "by a link"])
    async def test_see_one_study_reads_all_of_it(self, faces: Guarded, by_link: bool) -> None:
        headers = faces.link(faces.target.study) if by_link else await faces.key("this-study")
        wrong = {}
        for method, path, right in methods_of(faces):
            response = await faces.ask(method, path, headers)
            may = right in {None, Right.SEARCH, Right.RETRIEVE}
            if response.status_code != (HTTPStatus.OK if may else HTTPStatus.FORBIDDEN):
                wrong[method, path] = response.status_code
            if right is Right.SEARCH and method == "GET":
                assert faces.target.study in response.text
        assert wrong == {}
