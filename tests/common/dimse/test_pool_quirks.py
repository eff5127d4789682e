"""Leasing associations from origins that allow fewer than they should, or forget those that they have."""

from collections.abc import AsyncIterator, Iterator

import pytest

from isthmus.common.breaker import FAILURES
from isthmus.common.dimse import (
    FIND,
    STUDY_ROOT_FIND,
    VERIFICATION,
    Association,
    AssociationPool,
    Peer,
)
from isthmus.common.errors import AssociationRejected, OriginTimeout
from isthmus.common.threads import Threads
from tests.common.dimse.acceptor import query
from tests.common.dimse.local_slots import LocalSlots
from tests.data_sets import make_series
from tests.pacs import DropsIdleAssociation, FaultyPacs, ForgetsAssociation, Kind, RefusesAssociation, Silent


@pytest.fixture(scope="module")
def _pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyPacs]:
    with FaultyPacs(make_series(tmp_path_factory.mktemp("images"), 1)) as pacs:
        yield pacs


@pytest.fixture
def pacs(_pacs: FaultyPacs) -> FaultyPacs:
    return _pacs.renewed()


@pytest.fixture
async def pool(pacs: FaultyPacs) -> AsyncIterator[AssociationPool]:
    threads = Threads("test", 4)
    to = Peer("pacs", pacs.peer.host, pacs.peer.port, pacs.peer.ae_title, "ISTHMUS", 0.5)
    pool = AssociationPool(to, LocalSlots(4), threads)
    yield pool
    await pool.close()
    threads.close()


def echo(association: Association) -> float:
    return association.echo()


def search(association: Association) -> int:
    return len(list(association.find(STUDY_ROOT_FIND, query())))


async def test_a_rejected_association_takes_the_place_of_one_that_nobody_uses(
    pool: AssociationPool, pacs: FaultyPacs
) -> None:
    pacs.behave(RefusesAssociation(beyond=1))
    for _ in range(2):
        await pool.run((VERIFICATION,), echo)
        assert await pool.run((FIND,), search) == 1
    assert pacs.associations_at_once() == 1


async def test_rejections_beside_an_open_association_open_no_circuit(
    pool: AssociationPool, pacs: FaultyPacs
) -> None:
    pacs.behave(RefusesAssociation(beyond=1))
    async with pool.lease((VERIFICATION,)):
        for _ in range(FAILURES + 1):
            with pytest.raises(AssociationRejected):
                await pool.run((FIND,), search)
    assert await pool.run((FIND,), search) == 1


async def test_an_operation_on_a_forgotten_association_is_done_again_on_a_fresh_one(
    pool: AssociationPool, pacs: FaultyPacs
) -> None:
    pacs.behave(ForgetsAssociation())
    await pool.run((VERIFICATION,), echo)
    await pool.run((VERIFICATION,), echo)
    assert len(pacs.events(Kind.ENDED)) == pacs.associations() == 2


async def test_an_origin_that_is_silent_on_a_fresh_association_is_not_asked_again(
    pool: AssociationPool, pacs: FaultyPacs
) -> None:
    pacs.behave(Silent())
    with pytest.raises(OriginTimeout):
        await pool.run((VERIFICATION,), echo)
    assert pacs.associations() == 1


async def test_an_association_that_is_dropped_when_idle_is_replaced(
    pool: AssociationPool, pacs: FaultyPacs
) -> None:
    pacs.behave(DropsIdleAssociation())
    for _ in range(3):
        assert await pool.run((FIND,), search) == 1
    assert pacs.associations() == 3
