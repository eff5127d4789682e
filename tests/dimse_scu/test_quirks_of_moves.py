"""Origins whose C-MOVE names others, comes over several associations, in silence, or too late."""

from pathlib import Path

import pytest

from isthmus.common.config import DimseOrigin, RetrieveMethod
from isthmus.common.messages import Retrieve
from tests.common.retrieving.whole import Reader
from tests.data_sets import raw_datasets
from tests.dimse_scu.conftest import Serve
from tests.dimse_scu.test_move import _moving_pacs, moved, pacs, scp, scp_peer
from tests.pacs import (
    Behaviour,
    BreaksOffInDataSet,
    FailsRetrieve,
    FaultyPacs,
    NamesWrongOriginator,
    Operation,
    SaysNothingMeanwhile,
    SendsAfterTheEnd,
    SendsOverSeveral,
    SendsTwice,
    Slow,
)

__all__ = ["_moving_pacs", "moved", "pacs", "scp", "scp_peer"]  # fixtures


@pytest.mark.parametrize(
    "behaviour",
    [
        NamesWrongOriginator(),
        NamesWrongOriginator(ae_title="SOMEBODY", message_id=1),
        NamesWrongOriginator(ae_title="ISTHMUS", message_id=4711),
        SendsOverSeveral(at_once=4),
        SendsAfterTheEnd(instances=1, times=1),
        SendsAfterTheEnd(instances=2),
        BreaksOffInDataSet(instances=5, times=1),
        SendsTwice(),
        FailsRetrieve(status=0xA900, levels=["SERIES"]),
        FailsRetrieve(status=0xA701, times=1),
    ],
)
async def test_every_byte_comes(
    behaviour: Behaviour, read: Reader, moved: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(behaviour)
    assert await read(Retrieve(moved.name, study)) == raw_datasets(images)


async def test_what_comes_after_the_final_response_is_not_asked_for_again(
    read: Reader, moved: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(SendsAfterTheEnd(instances=3))
    assert await read(Retrieve(moved.name, study)) == raw_datasets(images)
    assert len(pacs.operations(Operation.MOVE)) == 1


async def test_an_origin_that_says_nothing_while_it_sends_is_alive(
    read: Reader,
    serve: Serve,
    scp: None,
    pacs: FaultyPacs,
    origin_name: str,
    images: list[Path],
    study: str,
) -> None:
    await serve(origin_name, retrieve=[RetrieveMethod.C_MOVE], timeout_seconds=6)  # of the whole: 7.2
    pacs.behave(SaysNothingMeanwhile(), Slow(seconds=0.6))
    assert await read(Retrieve(origin_name, study)) == raw_datasets(images)
    assert len(pacs.operations(Operation.MOVE)) == 1
