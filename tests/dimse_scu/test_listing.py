"""What an origin says it has, and what becomes of it where it cannot say all."""

from pathlib import Path

import pytest

from isthmus.common.config import DimseOrigin
from isthmus.common.errors import Incomplete
from isthmus.common.messages import Retrieve
from tests.common.retrieving.whole import Reader
from tests.data_sets import raw_datasets
from tests.pacs import FailsSuboperations, FaultyPacs, LosesFile, StopsAtFailure


async def test_one_lost_file_hides_neither_the_others_nor_itself(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    lost = list(raw_datasets(images))[9]
    pacs.behave(LosesFile(), FailsSuboperations(statuses={lost: 0xC000}), StopsAtFailure())
    with pytest.raises(Incomplete) as caught:
        await read(Retrieve(origin.name, study))
    assert caught.value.missing == (lost,)
    assert set(await read(Retrieve(origin.name, study))) == set(raw_datasets(images)) - {lost}
    assert read.lacking is not None
    assert [missing.sop_instance_uid for missing in read.lacking.missing] == [lost]
