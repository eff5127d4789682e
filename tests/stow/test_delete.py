"""DELETE: of inboxes, by their worker; elsewhere there is no such method."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.config import DimseOrigin, Inbox, Settings
from isthmus.common.config.origins import Protocol
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import Delete, Deleted, Failure
from isthmus.common.service import Parts
from isthmus.common.service.server import application
from isthmus.stow.app import routes

Answer = Callable[[Deleted], Awaitable[list[Delete]]]


@pytest.fixture
async def gateway(bus: Bus, blobs: BlobStore, origin_name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a stow that knows an inbox and a PACS."""
    inbox = Inbox(name=origin_name, protocol=Protocol.INBOX, ae_title="INBOX")
    pacs = DimseOrigin(name="pacs", ae_title="PACS", port=104)
    parts = Parts(Settings(origins=(inbox, pacs)), bus, blobs)
    async with parts.closing:
        transport = httpx2.ASGITransport(application(routes(parts)))
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
            yield http


@pytest.fixture
def answer(bus: Bus, origin_name: str) -> Answer:
    """Let a worker answer always the same; gives what it is asked for."""

    async def serve(deleted: Deleted) -> list[Delete]:
        asked: list[Delete] = []

        async def handle(delete: Delete) -> Deleted:
            asked.append(delete)
            return deleted

        await bus.serve(subjects.delete(origin_name), "workers", handle, Delete)
        return asked

    return serve


@pytest.mark.parametrize(
    ("path", "uids"),
    [
        ("1.2", ("1.2",)),
        ("1.2/series/3", ("1.2", "3")),
        ("1.2/series/3/instances/4", ("1.2", "3", "4")),
    ],
)
async def test_what_is_named_is_deleted(
    gateway: httpx2.AsyncClient, answer: Answer, origin_name: str, path: str, uids: tuple[str, ...]
) -> None:
    asked = await answer(Deleted(1))
    response = await gateway.delete(f"/aets/{origin_name}/studies/{path}")
    assert (response.status_code, response.content) == (204, b"")
    assert asked == [Delete(origin_name, *uids)]


async def test_what_is_not_there_is_404(
    gateway: httpx2.AsyncClient, answer: Answer, origin_name: str
) -> None:
    await answer(Deleted(0))
    response = await gateway.delete(f"/aets/{origin_name}/studies/1.2")
    assert response.status_code == 404
    assert response.json()["type"] == "urn:isthmus:problem:no-such-object"


async def test_what_is_not_gone_is_not_said_to_be(
    gateway: httpx2.AsyncClient, answer: Answer, origin_name: str
) -> None:
    await answer(Deleted(0, Failure.of(StoreUnavailable("S3 does not answer"))))
    response = await gateway.delete(f"/aets/{origin_name}/studies/1.2")
    assert response.status_code == 503
    assert "Retry-After" in response.headers


async def test_without_a_worker_it_is_503(gateway: httpx2.AsyncClient, origin_name: str) -> None:
    response = await gateway.delete(f"/aets/{origin_name}/studies/1.2")
    assert response.status_code == 503


@pytest.mark.parametrize("root", ["/aets/pacs", "/dicomweb"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("1.2", "GET, HEAD, POST"),
        ("1.2/series/3", "GET, HEAD"),
        ("1.2/series/3/instances/4", "GET, HEAD"),
    ],
)
async def test_a_pacs_and_all_origins_have_no_such_method(
    gateway: httpx2.AsyncClient, root: str, path: str, allowed: str
) -> None:
    response = await gateway.delete(f"{root}/studies/{path}")
    assert response.status_code == 405
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize(("path", "status"), [("nowhere/studies/1.2", 404), ("pacs/studies/1.2%203", 400)])
async def test_what_cannot_be_is_told_first(gateway: httpx2.AsyncClient, path: str, status: int) -> None:
    assert (await gateway.delete(f"/aets/{path}")).status_code == status
