"""Leasing associations from an origin that rejects those which propose nothing that it does."""

from collections.abc import AsyncIterator, Iterator

import pytest

from isthmus.common.breaker import FAILURES
from isthmus.common.dimse import FIND, Association, AssociationPool, Peer
from isthmus.common.dimse.contexts import WORKLIST
from isthmus.common.errors import AssociationRejected, CircuitOpen
from isthmus.common.threads import Threads
from tests.common.dimse.local_slots import LocalSlots
from tests.peers.worklist import Wlmscpfs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wlmscpfs]:
    """DCMTK's, which rejects an association without the worklist, or Verification, in it."""
    with Wlmscpfs(tmp_path_factory.mktemp("worklist"), ()) as running:
        yield running


@pytest.fixture
async def pool(server: Wlmscpfs) -> AsyncIterator[AssociationPool]:
    threads = Threads("test", 4)
    to = Peer("ris", server.peer.host, server.peer.port, server.peer.ae_title, "ISTHMUS", 5)
    pool = AssociationPool(to, LocalSlots(4), threads, idle_seconds=0)
    yield pool
    await pool.close()
    threads.close()


def nothing(_: Association) -> None:
    """Ask for nothing over it."""


async def test_searches_for_studies_do_not_take_the_worklist_away(pool: AssociationPool) -> None:
    await pool.run((WORKLIST,), nothing)
    for _ in range(FAILURES + 1):
        with pytest.raises(AssociationRejected):
            await pool.run((FIND,), nothing)
    await pool.run((WORKLIST,), nothing)


async def test_who_was_never_let_in_is_left_alone(pool: AssociationPool) -> None:
    for _ in range(FAILURES):
        with pytest.raises(AssociationRejected):
            await pool.run((FIND,), nothing)
    with pytest.raises(CircuitOpen):
        await pool.run((FIND,), nothing)
