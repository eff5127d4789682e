"""Who may search what: callers, the called AE title, and presentation contexts."""

import asyncio
import gc
import socket
from contextlib import ExitStack

import pytest

from isthmus.common.dimse import provided
from isthmus.common.service import Parts
from isthmus.scp.worker import STOP_SECONDS, Server, serving
from tests.peers import eventually
from tests.scp.conftest import with_rules
from tests.scp.find.conftest import ARCHIVE, EXPLICIT, PATIENT_ROOT, STUDY_ROOT, Played, ask, request
from tests.scp.find.test_stopping import AT_ONCE, connected, request_of
from tests.scp.wire import associate, read

pytestmark = pytest.mark.anyio

WORKLIST = "1.2.840.10008.5.1.4.31"
ACCEPTED, ABSTRACT_SYNTAX_NOT_SUPPORTED = 0, 3
"""Results of a presentation context (PS3.8 Table 9-18)."""


async def test_a_caller_that_may_not_search(parts: Parts, played: Played) -> None:
    async with serving(
        with_rules(parts, {"ae_title": "FINDER", "operations": ["store", "retrieve"]})
    ) as server:
        answer = await ask(server, request(StudyInstanceUID=""))
    assert (answer.status, answer.comment) == (0x0124, "C-FIND is not allowed to this caller here")
    assert not played.queries


async def test_a_caller_that_may(parts: Parts, played: Played) -> None:
    async with serving(with_rules(parts, {"ae_title": "FINDER", "operations": ["search"]})) as server:
        assert (await ask(server, request(StudyInstanceUID=""))).status == 0x0000


async def test_a_worklist_is_for_who_may_see_all_studies(parts: Parts, played: Played) -> None:
    some: dict[str, object] = {"ae_title": "FINDER", "operations": ["search"], "studies": {"last_days": 7}}
    async with serving(with_rules(parts, some)) as server:
        answer = await ask(server, request(None, PatientID=""), model=WORKLIST)
    assert (answer.status, answer.comment) == (0x0124, "The worklist is for those who may see all studies")
    assert not played.queries


@pytest.mark.parametrize(
    ("called", "result"), [(ARCHIVE, ACCEPTED), ("ISTHMUS", ABSTRACT_SYNTAX_NOT_SUPPORTED)]
)
async def test_contexts_are_accepted_where_an_origin_is_called(
    server: Server, called: str, result: int
) -> None:
    def run() -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(associate(called, [(1, STUDY_ROOT, EXPLICIT), (3, PATIENT_ROOT, EXPLICIT)]))
            return read(connection)

    accepted = await asyncio.to_thread(run)
    assert accepted[:1] == b"\x02"
    for context_id in (1, 3):
        assert bytes((context_id, 0, result, 0)) in accepted


async def test_a_search_that_runs_does_not_keep_the_service_from_stopping(
    parts: Parts, played: Played
) -> None:
    played.endless = True
    async with asyncio.timeout(AT_ONCE + STOP_SECONDS):
        with ExitStack() as client:
            async with serving(parts) as server:
                connection = client.enter_context(connected(server))
                connection.sendall(request_of(1))
                await played.asked.wait()
            await played.left.wait()


async def test_nothing_stays_of_an_association_that_is_over(server: Server, played: Played) -> None:
    await ask(server, request(StudyInstanceUID=""))
    before = len(provided._serving)
    for _ in range(3):
        await ask(server, request(StudyInstanceUID=""))

    def collected() -> bool:
        gc.collect()
        return len(provided._serving) <= before

    assert await asyncio.to_thread(eventually, collected, timeout_seconds=5.0)
