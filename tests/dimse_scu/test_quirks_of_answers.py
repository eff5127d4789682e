"""Origins that refuse, stop, or lie about what they were asked for: all comes, or what lacks is told."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import BasicTextSRStorage

from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.errors import Incomplete, NotDelivered, OperationFailed
from isthmus.common.messages import Retrieve
from tests.common.retrieving.whole import Reader
from tests.data_sets import identity, make_series, raw_datasets
from tests.dimse_scu.conftest import Serve
from tests.pacs import (
    AbortsAfter,
    Behaviour,
    FailsRetrieve,
    FailsSuboperations,
    FaultyPacs,
    Operation,
    RefusesCompressed,
    SaysSuccess,
    SendsOnlyWhereCompressedIsOffered,
    SeriesIsOffline,
    StopsAtFailure,
    SuccessWithNothingSent,
)

LIES: list[SaysSuccess] = [SaysSuccess(), SaysSuccess(counters="wrong"), SaysSuccess(counters="absent")]


@pytest.fixture(scope="module")
def two_series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of two series, of images and of a report."""
    directory = tmp_path_factory.mktemp("two-series")
    images = make_series(directory, 6, seed=50)
    (report,) = make_series(directory, 1, seed=51, study_uid=identity(images[0]).study_instance_uid)
    ds = pydicom.dcmread(report)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    ds.Modality = "SR"
    del ds.PixelData
    ds.save_as(report)
    return [*images, report]


@pytest.fixture(scope="module")
def _mixed(two_series: list[Path]) -> Iterator[FaultyPacs]:
    with FaultyPacs(two_series, ae_title="MIXED") as pacs:
        yield pacs


@pytest.fixture
def mixed(_mixed: FaultyPacs) -> FaultyPacs:
    """A PACS that holds a study of two series."""
    return _mixed.renewed()


@pytest.mark.parametrize("lie", LIES)
async def test_success_though_all_sub_operations_failed_is_asked_again(
    lie: SaysSuccess, read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(FailsSuboperations(statuses=dict.fromkeys(raw_datasets(images), 0xA700), times=1), lie)
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)


@pytest.mark.parametrize("lie", LIES)
async def test_success_though_one_never_comes_is_told(
    lie: SaysSuccess, read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    expected = raw_datasets(images)
    bad = list(expected)[7]
    pacs.behave(FailsSuboperations(statuses={bad: 0xC000}), lie)
    with pytest.raises(Incomplete) as caught:
        await read(Retrieve(origin.name, study))
    assert caught.value.missing == (bad,)
    assert read.arrived == {uid: data for uid, data in expected.items() if uid != bad}


async def test_success_with_nothing_sent_the_first_times_is_asked_until_it_comes(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(SuccessWithNothingSent(times=3))
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)


async def test_an_origin_that_sends_few_at_a_time_only_is_asked_for_few(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(SuccessWithNothingSent(beyond=3))
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert len(pacs.sent()) == len(images)


async def test_an_origin_that_never_sends_anything_has_not_delivered(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, study: str
) -> None:
    pacs.behave(SuccessWithNothingSent())
    with pytest.raises(NotDelivered):
        await read(Retrieve(origin.name, study))


async def test_a_series_that_is_offline_is_named_and_the_others_come(
    read: Reader, serve: Serve, mixed: FaultyPacs, origin_name: str, two_series: list[Path]
) -> None:
    origin = await serve(origin_name, ae_title=mixed.peer.ae_title, port=mixed.peer.port)
    offline = identity(two_series[0])
    mixed.behave(SeriesIsOffline(series_instance_uid=offline.series_instance_uid))
    wanted = Retrieve(origin.name, offline.study_instance_uid)
    with pytest.raises(Incomplete) as caught:
        await read(wanted)
    assert set(caught.value.missing) == set(raw_datasets(two_series[:-1]))
    assert read.arrived == raw_datasets(two_series[-1:])

    asked = len(mixed.operations(Operation.GET))
    assert await read(wanted) == raw_datasets(two_series[-1:])
    assert read.lacking is not None
    assert {one.sop_instance_uid for one in read.lacking.missing} == set(raw_datasets(two_series[:-1]))
    assert len(mixed.operations(Operation.GET)) == asked


async def test_a_series_that_is_online_again_is_brought(
    read: Reader, serve: Serve, mixed: FaultyPacs, origin_name: str, two_series: list[Path]
) -> None:
    origin = await serve(origin_name, ae_title=mixed.peer.ae_title, port=mixed.peer.port)
    offline = identity(two_series[0])
    mixed.behave(SeriesIsOffline(series_instance_uid=offline.series_instance_uid, times=3))
    assert await read(Retrieve(origin.name, offline.study_instance_uid)) == raw_datasets(two_series)


async def test_an_origin_that_stops_at_the_first_failure_sends_all_others(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    expected = raw_datasets(images)
    bad = list(expected)[2]
    pacs.behave(FailsSuboperations(statuses={bad: 0xC000}), StopsAtFailure())
    with pytest.raises(Incomplete) as caught:
        await read(Retrieve(origin.name, study))
    assert caught.value.missing == (bad,)
    assert read.arrived == {uid: data for uid, data in expected.items() if uid != bad}


@pytest.mark.parametrize("status", [0xA701, 0xA702])
async def test_an_origin_that_is_out_of_resources_is_asked_again(
    status: int, read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(FailsRetrieve(status=status, times=2))
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)


@pytest.mark.parametrize(
    "behaviours",
    [
        [FailsRetrieve(status=0xA900, levels=["SERIES"])],
        [FailsRetrieve(status=0xA900, levels=["IMAGE"]), AbortsAfter(instances=5, times=1)],
        [FailsRetrieve(status=0xA900, only_lists=True), AbortsAfter(instances=5, times=1)],
        [FailsRetrieve(status=0xA900, levels=["SERIES", "IMAGE"])],
        [FailsRetrieve(status=0xA900, levels=["SERIES"]), FailsRetrieve(status=0xA900, only_lists=True)],
    ],
)
async def test_what_an_origin_cannot_be_asked_for_in_one_way_is_asked_for_in_another(
    behaviours: list[Behaviour],
    read: Reader,
    origin: DimseOrigin,
    pacs: FaultyPacs,
    images: list[Path],
    study: str,
) -> None:
    pacs.behave(*behaviours)
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)


@pytest.mark.parametrize("levels", [["IMAGE"], ["SERIES", "IMAGE"]])
async def test_an_instance_that_cannot_be_asked_for_alone_comes_with_the_others(
    levels: list[str],
    read: Reader,
    origin: DimseOrigin,
    pacs: FaultyPacs,
    images: list[Path],
    study: str,
    series: str,
) -> None:
    uid, data = list(raw_datasets(images).items())[4]
    pacs.behave(FailsRetrieve(status=0xA900, levels=levels))
    assert await read(Retrieve(origin.name, study, series, uid)) == {uid: data}


async def test_an_origin_that_refuses_every_level_fails_clearly(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, study: str
) -> None:
    pacs.behave(FailsRetrieve(status=0xA900))
    with pytest.raises(OperationFailed) as caught:
        await read(Retrieve(origin.name, study))
    assert caught.value.status == 0xA900
    assert len(pacs.operations(Operation.GET)) < 12


async def test_no_compressed_syntax_is_offered_for_classes_without_pixels(
    read: Reader, serve: Serve, mixed: FaultyPacs, origin_name: str, two_series: list[Path]
) -> None:
    origin = await serve(origin_name, ae_title=mixed.peer.ae_title, port=mixed.peer.port)
    mixed.behave(RefusesCompressed(only_without_pixels=True))
    study = identity(two_series[0]).study_instance_uid
    assert await read(Retrieve(origin.name, study)) == raw_datasets(two_series)
    assert len(mixed.operations(Operation.GET)) == 2  # each series once


async def test_an_origin_that_sends_only_where_compressed_syntaxes_are_offered_sends_all(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    pacs.behave(SendsOnlyWhereCompressedIsOffered())
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)
    assert len(pacs.operations(Operation.GET)) == 1


@pytest.mark.parametrize(
    ("quirks", "behaviours"),
    [
        ({Quirk.UNCOMPRESSED_ONLY}, [RefusesCompressed()]),
        ({Quirk.NO_SERIES_LEVEL_RETRIEVE}, [FailsRetrieve(status=0xA900, levels=["SERIES"])]),
        (
            {Quirk.NO_SERIES_LEVEL_RETRIEVE, Quirk.NO_IMAGE_LEVEL_RETRIEVE},
            [FailsRetrieve(status=0xA900, levels=["SERIES", "IMAGE"])],
        ),
    ],
)
async def test_a_quirk_that_is_named_costs_no_attempt(
    quirks: set[Quirk],
    behaviours: list[Behaviour],
    read: Reader,
    serve: Serve,
    pacs: FaultyPacs,
    origin_name: str,
    images: list[Path],
    study: str,
) -> None:
    pacs.behave(*behaviours)
    await serve(origin_name, quirks=quirks)
    await serve(f"{origin_name}-plain")
    assert await read(Retrieve(origin_name, study)) == raw_datasets(images)
    named = len(pacs.operations(Operation.GET))
    assert await read(Retrieve(f"{origin_name}-plain", study)) == raw_datasets(images)
    found_out = len(pacs.operations(Operation.GET)) - named
    assert named == 1 < found_out


@pytest.mark.parametrize(
    ("quirk", "refuses", "named", "found_out"),
    [
        # A whole series, which breaks off, and the same again.
        (Quirk.NO_IMAGE_LEVEL_RETRIEVE, FailsRetrieve(status=0xA900, levels=["IMAGE"]), 2, 4),
        # The same, and then seven one by one.
        (Quirk.NO_UID_LISTS, FailsRetrieve(status=0xA900, only_lists=True), 8, 9),
    ],
)
async def test_a_quirk_that_is_named_costs_no_attempt_in_repairs(
    quirk: Quirk,
    refuses: FailsRetrieve,
    named: int,
    found_out: int,
    read: Reader,
    serve: Serve,
    pacs: FaultyPacs,
    origin_name: str,
    images: list[Path],
    study: str,
) -> None:
    await serve(origin_name, quirks={quirk})
    await serve(f"{origin_name}-plain")
    asked = []
    for name in (origin_name, f"{origin_name}-plain"):
        pacs.forget()
        pacs.behave(refuses, AbortsAfter(instances=5, times=1))
        assert await read(Retrieve(name, study)) == raw_datasets(images)
        asked.append(len(pacs.operations(Operation.GET)))
    assert asked == [named, found_out]
