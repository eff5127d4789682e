"""What a PACS may do to a retrieve, and what comes of it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.config import DimseOrigin
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.errors import (
    AssociationRejected,
    Incomplete,
    IsthmusError,
    NoSuchObject,
    NotDelivered,
    OperationFailed,
    OriginTimeout,
    OriginUnreachable,
)
from isthmus.common.messages import BlobRef, Retrieve
from isthmus.common.retrieval import Retrieval
from isthmus.common.retrieving import missing, retrieve
from tests.data_sets import identity, make_series, raw_dataset
from tests.dimse_scu.conftest import Serve
from tests.pacs import (
    AbortsAfter,
    FailsSuboperations,
    FaultyPacs,
    FindFails,
    IgnoresMatchingKeys,
    Kind,
    Operation,
    RefusesAssociation,
    SendsTwice,
    Silent,
    Slow,
    SuccessWithNothingSent,
)
from tests.peers import free_port
from tests.waiting import PATIENCE


async def everything(retrieval: Retrieval, wanted: Retrieve) -> list[BlobRef]:
    async with retrieval.read(wanted) as instances:
        return [instance async for instance in instances]


def names(blobs: list[BlobRef]) -> set[str]:
    return {blob.sop_instance_uid for blob in blobs}


async def test_a_study_arrives_whole_and_byte_for_byte(
    retrieval: Retrieval,
    blobs: BlobStore,
    origin: DimseOrigin,
    pacs: FaultyPacs,
    study: str,
    images: list[Path],
) -> None:
    arrived = await everything(retrieval, Retrieve(origin.name, study))
    expected = {identity(image).sop_instance_uid: raw_dataset(image) for image in images}
    assert {blob.sop_instance_uid: raw_dataset(await blobs.get(blob.key)) for blob in arrived} == expected
    assert len(pacs.operations(Operation.GET)) == 1


async def test_the_blob_ref_tells_what_the_blob_is(
    retrieval: Retrieval, blobs: BlobStore, origin: DimseOrigin, study: str, series: str, uids: list[str]
) -> None:
    (blob,) = await everything(retrieval, Retrieve(origin.name, study, series, uids[0]))
    content = await blobs.get(blob.key)
    assert len(content) == blob.size
    with blobs.open(blob.key, blob.size) as file:
        meta = await asyncio.to_thread(read_file_meta, file)
    assert (meta.sop_class_uid, meta.sop_instance_uid) == (blob.sop_class_uid, blob.sop_instance_uid)
    assert meta.transfer_syntax_uid == blob.transfer_syntax_uid


async def test_one_instance_is_asked_for_alone(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, series: str, uids: list[str]
) -> None:
    arrived = await everything(retrieval, Retrieve(origin.name, study, series, uids[3]))
    assert names(arrived) == {uids[3]}
    await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.SENT)
    assert pacs.sent() == [uids[3]]


@pytest.mark.parametrize(
    "wanted", [("1.2.3.4.5", None, None), (None, "1.2.3.4.5", None), (None, "known", "1.2.3.4.5")]
)
async def test_what_the_origin_does_not_list_is_no_such_object(
    retrieval: Retrieval,
    origin: DimseOrigin,
    study: str,
    series: str,
    wanted: tuple[str | None, str | None, str | None],
) -> None:
    other_study, other_series, instance = wanted
    job = Retrieve(
        origin.name, other_study or study, series if other_series == "known" else other_series, instance
    )
    with pytest.raises(NoSuchObject):
        await everything(retrieval, job)


async def test_an_origin_that_is_not_there_is_unreachable(
    retrieval: Retrieval, serve: Serve, origin_name: str, study: str
) -> None:
    origin = await serve(origin_name, port=free_port())
    with pytest.raises(OriginUnreachable):
        await everything(retrieval, Retrieve(origin.name, study))


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (RefusesAssociation(), AssociationRejected),
        (Silent(), OriginTimeout),
        (FindFails(status=0xC001), OperationFailed),
        (FindFails(status=0xA700, matches=0), OperationFailed),
        (SuccessWithNothingSent(), NotDelivered),
        (AbortsAfter(instances=0), IsthmusError),
    ],
)
async def test_a_failure_before_the_first_instance_is_told_and_the_next_request_works(
    retrieval: Retrieval,
    serve: Serve,
    origin_name: str,
    pacs: FaultyPacs,
    study: str,
    uids: list[str],
    behaviour: RefusesAssociation,
    error: type[IsthmusError],
) -> None:
    origin = await serve(origin_name, timeout_seconds=3 if error is OriginTimeout else 20)
    pacs.behave(behaviour)
    with pytest.raises(error):
        await everything(retrieval, Retrieve(origin.name, study))
    pacs.behave()
    assert names(await everything(retrieval, Retrieve(origin.name, study))) == set(uids)


@pytest.mark.parametrize("status", [0xC001, 0xFE00])
async def test_a_listing_that_breaks_off_in_the_middle_is_no_short_study(
    status: int, retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str
) -> None:
    pacs.behave(FindFails(status=status, matches=5))
    with pytest.raises(Incomplete):
        await everything(retrieval, Retrieve(origin.name, study))


async def test_what_was_not_sent_before_an_abort_is_fetched_again(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(AbortsAfter(instances=5, times=1))
    assert names(await everything(retrieval, Retrieve(origin.name, study))) == set(uids)


async def test_an_origin_that_always_breaks_off_gives_what_it_gave(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(AbortsAfter(instances=5))
    assert names(await everything(retrieval, Retrieve(origin.name, study))) == set(uids)


async def test_sub_operations_that_fail_are_named_and_all_others_arrive(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    bad = {uids[0]: 0xA700, uids[7]: 0xC000}
    pacs.behave(FailsSuboperations(statuses=bad))
    async with retrieval.read(Retrieve(origin.name, study)) as instances:
        arrived = [await anext(instances) for _ in range(len(uids) - len(bad))]
        with pytest.raises(Incomplete) as caught:
            await anext(instances)
    assert set(caught.value.missing) == set(bad)
    assert names(arrived) == set(uids) - set(bad)


async def test_missing_instances_beyond_those_that_a_message_can_name_are_counted(
    retrieval: Retrieval,
    origin: DimseOrigin,
    pacs: FaultyPacs,
    study: str,
    uids: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(missing, "NAMED_AT_MOST", 1)
    pacs.behave(FailsSuboperations(statuses={uids[0]: 0xA700, uids[7]: 0xC000}))
    with pytest.raises(Incomplete, match="2 of 12"):
        await everything(retrieval, Retrieve(origin.name, study))


async def test_sub_operations_that_failed_once_are_fetched_again(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(FailsSuboperations(statuses={uids[2]: 0xA700}, times=1))
    assert names(await everything(retrieval, Retrieve(origin.name, study))) == set(uids)
    assert len(pacs.operations(Operation.GET)) == 2


async def test_success_with_nothing_sent_is_asked_once_more(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(SuccessWithNothingSent(times=1))
    assert names(await everything(retrieval, Retrieve(origin.name, study))) == set(uids)


async def test_an_instance_sent_twice_arrives_once(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(SendsTwice())
    arrived = await everything(retrieval, Retrieve(origin.name, study))
    assert [blob.sop_instance_uid for blob in arrived].count(uids[0]) == 1
    assert names(arrived) == set(uids)


async def test_what_the_origin_lists_beyond_the_question_is_not_waited_for(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, series: str, uids: list[str]
) -> None:
    pacs.behave(IgnoresMatchingKeys())
    arrived = await everything(retrieval, Retrieve(origin.name, study, series, uids[4]))
    assert names(arrived) == {uids[4]}


async def test_a_reader_that_leaves_stops_the_origin_by_c_cancel(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(Slow(seconds=0.5))
    async with retrieval.read(Retrieve(origin.name, study)) as instances:
        await anext(instances)
    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.CANCELLED)
    assert len(pacs.sent()) < len(uids)


async def test_a_second_reader_keeps_the_transfer_alive(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(Slow(seconds=0.4))
    async with retrieval.read(Retrieve(origin.name, study)) as first:
        await anext(first)
        second = asyncio.create_task(everything(retrieval, Retrieve(origin.name, study)))
        await anext(first)
    assert names(await second) == set(uids)
    assert len(pacs.operations(Operation.GET)) == 1
    assert pacs.cancels() == 0


async def test_a_job_that_a_worker_left_is_gone_on_with(
    retrieval: Retrieval,
    serve: Serve,
    pacs: FaultyPacs,
    origin_name: str,
    study: str,
    uids: list[str],
) -> None:
    pacs.behave(Slow(seconds=0.3))
    async with AsyncExitStack() as first:
        await first.enter_async_context(serve.one(origin_name))
        async with retrieval.read(Retrieve(origin_name, study)) as instances:
            arrived = [await anext(instances) for _ in range(4)]
            await first.aclose()
            pacs.behave()
            async with serve.one(origin_name):
                arrived += [blob async for blob in instances]
    assert sorted(blob.sop_instance_uid for blob in arrived) == sorted(uids)
    assert len(pacs.sent()) <= len(uids) + 1
    assert len(pacs.operations(Operation.GET)) == 2


async def test_a_job_that_killed_its_workers_is_given_up(
    retrieval: Retrieval, serve: Serve, origin_name: str, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieve, "MAX_DELIVERIES", 0)
    await serve(origin_name)
    with pytest.raises(NotDelivered, match="Given up"):
        await everything(retrieval, Retrieve(origin_name, study))


async def test_many_studies_at_once_stay_within_the_associations_allowed(
    retrieval: Retrieval, serve: Serve, origin_name: str, tmp_path: Path
) -> None:
    files = [file for seed in range(20, 40) for file in make_series(tmp_path, 3, seed=seed)]
    studies = {identity(file).study_instance_uid for file in files}
    with FaultyPacs(files) as pacs:
        origin = await serve(origin_name, port=pacs.peer.port, associations=2)
        results = await asyncio.gather(
            *(everything(retrieval, Retrieve(origin.name, one)) for one in studies)
        )
        assert [len(result) for result in results] == [3] * len(studies)
        assert pacs.associations_at_once() <= 2
