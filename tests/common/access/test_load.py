"""429 to who has too many requests under way, whichever processes answer them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import httpx2
import pytest

from isthmus.common.config.limits import Limits
from isthmus.common.config.settings import Nats
from tests.common.access.holding import GATEWAY, UNDECIDED
from tests.waiting import PATIENCE, until

LIMITS = Limits(max_requests_per_principal=4, max_requests_per_address=6)


@pytest.fixture(scope="module")
def faces(nats_settings: Nats) -> Iterator[list[str]]:
    """The URLs of two processes."""
    command = [sys.executable, "-m", "tests.common.access.holding"]
    asked = json.dumps({"nats": nats_settings.model_dump(), "limits": LIMITS.model_dump()})
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{asked}\n")
            process.stdin.flush()
        yield [
            f"http://127.0.0.1:{process.stdout.readline().strip()}"
            for process in processes
            if process.stdout is not None
        ]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=PATIENCE) as client:
        yield client


def said(address: str, user: str = "") -> dict[str, str]:
    """Headers as from the gateway."""
    return {"Isthmus-Gateway": GATEWAY, "X-Forwarded-For": address, "user": user}


@asynccontextmanager
async def held(
    http: httpx2.AsyncClient, face: str, address: str, user: str = ""
) -> AsyncIterator[httpx2.Response]:
    """Have a request under way."""
    async with http.stream("GET", f"{face}/hold", headers=said(address, user)) as response:
        yield response


async def status(http: httpx2.AsyncClient, face: str, address: str, user: str = "") -> int:
    async with held(http, face, address, user) as response:
        return response.status_code


async def test_a_principal_has_his_share_at_all_processes_together(
    http: httpx2.AsyncClient, faces: list[str]
) -> None:
    async with AsyncExitStack() as stack:
        for number in range(4):
            one = held(http, faces[number % 2], f"10.1.0.{number}", "alice")
            assert (await stack.enter_async_context(one)).status_code == 200
        for face in faces:
            await until(partial(status, http, face, "10.1.1.1", "alice"), (429).__eq__)
            assert await status(http, face, "10.1.1.1", "bob") == 200
            assert await status(http, face, "10.1.1.1") == 200
    for face in faces:
        await until(partial(status, http, face, "10.1.1.1", "alice"), (200).__eq__)


async def test_so_has_an_address_whoever_asks(http: httpx2.AsyncClient, faces: list[str]) -> None:
    async with AsyncExitStack() as stack:
        for number in range(6):
            one = held(http, faces[number % 2], "10.2.0.1", f"user{number}" if number % 2 else "")
            assert (await stack.enter_async_context(one)).status_code == 200
        for face in faces:
            await until(partial(status, http, face, "10.2.0.1"), (429).__eq__)
            assert await status(http, face, "10.2.0.2") == 200


async def test_what_counts_for_an_address_need_not_be_of_anybody_known(
    http: httpx2.AsyncClient, faces: list[str]
) -> None:
    url = f"{faces[0]}/hold"
    asking = [asyncio.create_task(http.get(url, headers=said("10.4.0.1", UNDECIDED))) for _ in range(7)]
    try:
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result().status_code for task in done] == [429]
        await until(partial(status, http, faces[1], "10.4.0.1"), (429).__eq__)
    finally:
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)


async def test_who_is_refused_hears_why_and_when_to_come_again(
    http: httpx2.AsyncClient, faces: list[str]
) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(held(http, faces[0], "10.3.0.1", "carol"))
        response = await http.get(f"{faces[0]}/hold", headers=said("10.3.0.1", "carol"))
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "1"
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["detail"] == (
            "There are 4 requests under way already (limits.max_requests_per_principal)"
        )
        assert "carol" not in response.text


async def test_what_is_public_counts_for_nobody(http: httpx2.AsyncClient, faces: list[str]) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(8):
            response = await stack.enter_async_context(http.stream("GET", f"{faces[0]}/public"))
            assert response.status_code == 200
