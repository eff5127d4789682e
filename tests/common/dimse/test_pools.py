"""Pools of several processes over one NATS: the origin sees one bound, and nobody starves."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from isthmus.common.bus import Bus
from isthmus.common.bus.slots import Slots
from isthmus.common.config.settings import Nats
from isthmus.common.dimse import FIND, VERIFICATION, Association, AssociationPool, Peer
from isthmus.common.threads import Threads
from tests.pacs import FaultyPacs
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def _pacs() -> Iterator[FaultyPacs]:
    with FaultyPacs() as pacs:
        yield pacs


@pytest.fixture
def pacs(_pacs: FaultyPacs) -> FaultyPacs:
    return _pacs.renewed()


@pytest.fixture
def to(pacs: FaultyPacs, origin_name: str) -> Peer:
    return Peer(origin_name, "127.0.0.1", pacs.peer.port, pacs.peer.ae_title, "ISTHMUS", 5)


@asynccontextmanager
async def pool(nats: Nats, to: Peer, associations: int) -> AsyncIterator[AssociationPool]:
    """Have a pool with a connection of its own, as another process has."""
    bus = await Bus.connect(nats, "pool")
    slots = await Slots.open(bus, to.origin, associations)
    threads = Threads("dimse", associations + 2)
    made = AssociationPool(to, slots, threads)
    try:
        yield made
    finally:
        await made.close()
        await slots.close()
        threads.close()
        await bus.close()


def _processes(count: int, asked: dict[str, object]) -> None:
    """Run pools in processes of their own, all at the same time, to their end."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.common.dimse.pool_process"],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(count)
        ]
        try:
            for sent, heard in ((json.dumps(asked), "ready\n"), ("go", "done\n")):
                for process in started:
                    assert process.stdin is not None
                    process.stdin.write(f"{sent}\n")
                    process.stdin.flush()
                for process in started:
                    assert process.stdout is not None
                    assert process.stdout.readline() == heard
        finally:
            for process in started:
                process.kill()


async def test_two_processes_never_open_more_associations_than_the_origin_allows(
    pacs: FaultyPacs, to: Peer, nats_settings: Nats
) -> None:
    asked = {
        "nats": nats_settings.model_dump(mode="json"),
        "peer": asdict(to),
        "associations": 2,
        "operations": 60,
    }
    await asyncio.to_thread(_processes, 2, asked)
    pacs.wait_until_closed()
    assert len(pacs.operations()) == 120
    assert pacs.associations_at_once() == 2


async def test_an_idle_association_of_another_process_is_given_up_to_who_waits(
    pacs: FaultyPacs, to: Peer, nats_settings: Nats
) -> None:
    async with pool(nats_settings, to, 1) as one, pool(nats_settings, to, 1) as other:
        for _ in range(5):
            async with asyncio.timeout(PATIENCE):
                await one.run([VERIFICATION], Association.echo)
                await other.run([VERIFICATION], Association.echo)
    pacs.wait_until_closed()
    assert (pacs.associations(), pacs.associations_at_once()) == (10, 1)


async def test_a_process_that_is_always_busy_does_not_starve_another(
    pacs: FaultyPacs, to: Peer, nats_settings: Nats
) -> None:
    async with pool(nats_settings, to, 1) as busy, pool(nats_settings, to, 1) as other:
        over = False

        async def keep_busy() -> None:
            while not over:
                await busy.run([VERIFICATION], Association.echo)

        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(keep_busy())
            await asyncio.to_thread(pacs.wait_for, lambda event: event.association > 0)
            for _ in range(3):
                await other.run([VERIFICATION], Association.echo)
            over = True
    assert pacs.associations_at_once() == 1


async def test_one_for_another_purpose_makes_room(pacs: FaultyPacs, to: Peer, nats_settings: Nats) -> None:
    async with pool(nats_settings, to, 1) as one, asyncio.timeout(PATIENCE):
        for contexts in ([VERIFICATION], [VERIFICATION, FIND]):
            await one.run(contexts, Association.echo)
    pacs.wait_until_closed()
    assert (pacs.associations(), pacs.associations_at_once()) == (2, 1)


async def test_interactive_work_of_one_process_goes_before_bulk_of_another(
    pacs: FaultyPacs, to: Peer, nats_settings: Nats
) -> None:
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(pool(nats_settings, to, 1)) for _ in range(2)]
        bulk = [asyncio.create_task(one.run([VERIFICATION], Association.echo, priority=1)) for _ in range(40)]
        await asyncio.wait(bulk, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(other.run([VERIFICATION], Association.echo) for _ in range(10)))
            done_before = sum(task.done() for task in bulk)
            await asyncio.gather(*bulk)
    assert done_before < len(bulk)
