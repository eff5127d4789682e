"""Origins whose lists are short, long, wrong or about something else: nothing is lost or made up by it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.errors import Incomplete
from isthmus.common.messages import Retrieve
from tests.common.retrieving.whole import Reader
from tests.data_sets import identity, make_series, raw_datasets
from tests.dimse_scu.conftest import COUNT, Serve
from tests.pacs import (
    AbortsAfter,
    Behaviour,
    CapsMatches,
    CountsWrongly,
    FailsSuboperations,
    FaultyPacs,
    IgnoresUIDs,
    ListsMore,
    Operation,
    SuccessWithNothingSent,
)

PHANTOM = "1.2.3.4"


@pytest.fixture(scope="module")
def two_series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of two series of four instances each."""
    directory = tmp_path_factory.mktemp("two-series")
    first = make_series(directory, 4, seed=70)
    return first + make_series(directory, 4, seed=71, study_uid=identity(first[0]).study_instance_uid)


@pytest.fixture(scope="module")
def _paired(two_series: list[Path]) -> Iterator[FaultyPacs]:
    with FaultyPacs(two_series, ae_title="PAIRED") as pacs:
        yield pacs


@pytest.fixture
async def paired(_paired: FaultyPacs, serve: Serve, origin_name: str) -> FaultyPacs:
    """A PACS that holds a study of two series, as an origin of this test."""
    _paired.renewed()
    await serve(origin_name, ae_title=_paired.peer.ae_title, port=_paired.peer.port)
    return _paired


@pytest.mark.parametrize(
    "behaviours",
    [
        [CapsMatches(at_most=5)],
        [CapsMatches(at_most=5), CountsWrongly(count=None)],
    ],
)
async def test_what_is_beyond_a_capped_list_comes_and_stays(
    behaviours: list[Behaviour],
    read: Reader,
    origin: DimseOrigin,
    pacs: FaultyPacs,
    images: list[Path],
    study: str,
) -> None:
    pacs.behave(*behaviours)
    for _ in range(3):
        assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert len(pacs.sent()) == len(images)


async def test_what_is_beyond_a_capped_list_and_was_cut_off_is_fetched_again(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(CapsMatches(at_most=5), AbortsAfter(instances=7, times=1))
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)


async def test_what_is_beyond_a_capped_list_and_never_comes_is_told(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    bad = list(raw_datasets(images))[9]
    pacs.behave(CapsMatches(at_most=5), FailsSuboperations(statuses={bad: 0xC000}))
    with pytest.raises(Incomplete):
        await read(Retrieve(origin.name, study))
    assert set(read.arrived) == set(raw_datasets(images)) - {bad}


@pytest.mark.parametrize("behaviour", [AbortsAfter(instances=4), SuccessWithNothingSent(beyond=5)])
async def test_what_is_listed_of_what_is_counted_is_not_the_whole_while_the_whole_does_not_come(
    behaviour: Behaviour, read: Reader, origin: DimseOrigin, pacs: FaultyPacs, study: str
) -> None:
    pacs.behave(CapsMatches(at_most=5), behaviour)
    for _ in range(2):
        with pytest.raises(Incomplete):
            await read(Retrieve(origin.name, study))
        assert len(read.arrived) == 5


async def test_what_is_listed_and_does_not_exist_is_named_and_not_asked_for_each_time(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(ListsMore(sop_instance_uid=PHANTOM), CountsWrongly(count=COUNT + 1))
    with pytest.raises(Incomplete) as caught:
        await read(Retrieve(origin.name, study))
    assert caught.value.missing == (PHANTOM,)
    asked = len(pacs.operations(Operation.GET))
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert read.lacking is not None
    assert [missing.sop_instance_uid for missing in read.lacking.missing] == [PHANTOM]
    assert len(pacs.operations(Operation.GET)) == asked


@pytest.mark.parametrize("count", [None, 0, 1, COUNT - 1])
async def test_a_count_that_is_wrong_or_absent_costs_a_list_and_no_transfer(
    count: int | None, read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(CountsWrongly(count=count))
    for _ in range(2):
        assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert len(pacs.sent()) == len(images)


async def test_a_count_that_is_too_high_costs_a_list_and_no_transfer(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(CountsWrongly(count=COUNT + 88))
    for _ in range(2):
        assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert len(pacs.sent()) == len(images)


async def test_what_is_new_beyond_a_capped_list_is_noticed_by_the_count(
    read: Reader, serve: Serve, origin_name: str, images: list[Path], study: str
) -> None:
    fewer = images[:-1]
    with FaultyPacs(fewer, CapsMatches(at_most=5)) as pacs:
        await serve(origin_name, port=pacs.peer.port)
        assert await read(Retrieve(origin_name, study)) == raw_datasets(fewer)
        port = pacs.peer.port
    with FaultyPacs(images, CapsMatches(at_most=5), port=port) as pacs:
        assert await read(Retrieve(origin_name, study)) == raw_datasets(images)
        assert len(pacs.operations(Operation.GET)) == 1


@pytest.mark.parametrize(("quirks", "noticed"), [(set(), False), ({Quirk.WRONG_COUNTS}, True)])
async def test_a_count_that_stays_the_same_hides_what_is_new_unless_a_quirk_says_so(
    quirks: set[Quirk],
    noticed: bool,
    read: Reader,
    serve: Serve,
    origin_name: str,
    images: list[Path],
    study: str,
) -> None:
    fewer = images[:-1]
    with FaultyPacs(fewer) as pacs:
        await serve(origin_name, port=pacs.peer.port, quirks=quirks)
        assert await read(Retrieve(origin_name, study)) == raw_datasets(fewer)
        port = pacs.peer.port
    with FaultyPacs(images, CountsWrongly(count=len(fewer)), port=port):
        arrived = await read(Retrieve(origin_name, study))
    assert arrived == raw_datasets(images if noticed else fewer)


async def test_a_list_of_the_whole_study_for_one_series_is_no_list_of_that_series(
    read: Reader, origin_name: str, paired: FaultyPacs, two_series: list[Path]
) -> None:
    paired.behave(IgnoresUIDs(keywords=["SeriesInstanceUID"]))
    wanted = identity(two_series[0])
    one = Retrieve(origin_name, wanted.study_instance_uid, wanted.series_instance_uid)
    assert await read(one) == raw_datasets(two_series[:4])
    assert await read(Retrieve(origin_name, wanted.study_instance_uid)) == raw_datasets(two_series)
    assert len(paired.sent()) == len(two_series)


async def test_a_list_of_the_whole_series_for_one_instance_is_no_list_of_that_instance(
    read: Reader, origin_name: str, paired: FaultyPacs, two_series: list[Path]
) -> None:
    paired.behave(IgnoresUIDs(keywords=["SOPInstanceUID"]))
    wanted = identity(two_series[1])
    one = Retrieve(
        origin_name, wanted.study_instance_uid, wanted.series_instance_uid, wanted.sop_instance_uid
    )
    for _ in range(2):
        assert await read(one) == raw_datasets(two_series[1:2])
    assert paired.sent() == [wanted.sop_instance_uid]
