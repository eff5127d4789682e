"""What the worker measures of its jobs and of its origin, in front of a PACS that misbehaves as told."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.echo import echo
from isthmus.common.config import DimseOrigin
from isthmus.common.errors import Incomplete, IsthmusError
from isthmus.common.messages import Retrieve, Store
from isthmus.common.retrieval import Catalogue, Retrieval
from tests.dimse_scu.conftest import Serve
from tests.dimse_scu.test_retrieve import everything
from tests.dimse_scu.test_store import spooled, stored
from tests.measured import measured, told, total
from tests.pacs import (
    AbortsAfter,
    FailsSuboperations,
    FaultyPacs,
    Kind,
    RefusesAssociation,
    Slow,
    StoreStatus,
)
from tests.peers import free_port
from tests.waiting import PATIENCE, until

JOBS = "isthmus_retrieve_duration_seconds_count"
CAME = "isthmus_retrieve_instances_total"
BYTES = "isthmus_retrieve_size_bytes_total"
READS = "isthmus_cache_requests_total"


async def endings(origin: str, count: int = 1) -> dict[str, float]:
    """Give how so many jobs ended; a job is measured when its reader has all."""
    await until(lambda: asyncio.sleep(0, total(JOBS, dicom_origin=origin)), lambda jobs: jobs == count)
    return {
        one["isthmus_outcome"]: total(JOBS, dicom_origin=origin, **one)
        for one in told(JOBS, dicom_origin=origin)
    }


async def test_a_job_that_brings_nothing_has_failed(
    retrieval: Retrieval, serve: Serve, origin_name: str, study: str
) -> None:
    origin = await serve(origin_name, port=free_port())
    with pytest.raises(IsthmusError):
        await everything(retrieval, Retrieve(origin.name, study))
    assert await endings(origin.name) == {"failed": 1}
    assert told(CAME, dicom_origin=origin.name) == []
    assert measured("isthmus_origin_up", dicom_origin=origin.name) == 0


async def test_a_job_whose_origin_rejects_us_has_failed_and_the_rejection_is_counted(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str
) -> None:
    pacs.behave(RefusesAssociation())
    with pytest.raises(IsthmusError):
        await everything(retrieval, Retrieve(origin.name, study))
    assert await endings(origin.name) == {"failed": 1}
    refused = told("isthmus_associations_refused_total", dicom_origin=origin.name)
    assert refused == [{"isthmus_reason": "rejected"}]


async def test_a_job_of_which_something_lacks_is_partial(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(FailsSuboperations(statuses={uids[4]: 0xC000}))
    with pytest.raises(Incomplete):
        await everything(retrieval, Retrieve(origin.name, study))
    assert await endings(origin.name) == {"partial": 1}
    assert measured(CAME, dicom_origin=origin.name, isthmus_method="c-get") == len(uids) - 1


async def test_a_job_for_which_nobody_waits_any_more_was_cancelled(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str
) -> None:
    pacs.behave(Slow(seconds=0.5))
    async with retrieval.read(Retrieve(origin.name, study)) as instances:
        await anext(instances)
    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.CANCELLED)
    assert await endings(origin.name) == {"cancelled": 1}


async def test_an_association_that_is_broken_off_costs_no_instance_and_each_is_counted_once(
    retrieval: Retrieval, origin: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(AbortsAfter(instances=5, times=1))
    blobs = await everything(retrieval, Retrieve(origin.name, study))
    assert await endings(origin.name) == {"complete": 1}
    assert measured(CAME, dicom_origin=origin.name, isthmus_method="c-get") == len(uids)
    assert measured(BYTES, dicom_origin=origin.name, isthmus_method="c-get") == sum(
        blob.size for blob in blobs
    )
    gets = told(
        "isthmus_dimse_operation_duration_seconds_count",
        dicom_origin=origin.name,
        dicom_operation="C-GET",
        dicom_role="scu",
    )
    assert {"error_type": "AssociationAborted"} in gets
    assert {"dicom_status": "0x0000"} in gets


async def test_a_job_that_a_worker_left_is_measured_once_and_counted_as_come_again(
    retrieval: Retrieval, serve: Serve, pacs: FaultyPacs, origin_name: str, study: str, uids: list[str]
) -> None:
    pacs.behave(Slow(seconds=0.3))
    async with AsyncExitStack() as first:
        await first.enter_async_context(serve.one(origin_name))
        async with retrieval.read(Retrieve(origin_name, study)) as instances:
            await anext(instances)
            await first.aclose()
            pacs.behave()
            async with serve.one(origin_name):
                assert len([blob async for blob in instances]) == len(uids) - 1
                assert await endings(origin_name) == {"complete": 1}
    again = told("isthmus_queue_redeliveries_total", dicom_origin=origin_name)
    assert again == [{"isthmus_queue": "retrieve", "isthmus_lane": "interactive"}]
    assert measured(CAME, dicom_origin=origin_name, isthmus_method="c-get") == len(uids)


async def test_a_read_finds_what_is_held_or_joins_or_has_to_be_brought(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, study: str
) -> None:
    def counted() -> dict[str, float]:
        return {
            one["isthmus_result"]: total(READS, dicom_origin=origin.name, **one)
            for one in told(READS, dicom_origin=origin.name)
        }

    retrieval = Retrieval(bus, Catalogue(blobs), fresh_seconds=600)
    wanted = Retrieve(origin.name, study)
    pacs.behave(Slow(seconds=0.2))
    async with retrieval.read(wanted) as first:
        await anext(first)
        assert counted() == {"miss": 1}
        await everything(retrieval, replace(wanted))
        assert counted() == {"miss": 1, "joined": 1}
        _ = [blob async for blob in first]
    await endings(origin.name)
    await everything(retrieval, replace(wanted))
    assert counted() == {"miss": 1, "joined": 1, "hit": 1}


async def test_instances_that_were_to_be_stored_are_counted_by_their_status(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], uids: list[str]
) -> None:
    pacs.behave(StoreStatus(status=0xA700, instances=[uids[1]]))
    await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, images[:3])))
    name, labels = "isthmus_store_instances_total", {"dicom_origin": origin.name}
    assert measured(name, **labels, dicom_status="0x0000") == 2
    assert measured(name, **labels, dicom_status="0xA700") == 1


async def test_instances_that_were_never_sent_are_counted_too(
    bus: Bus, blobs: BlobStore, serve: Serve, origin_name: str, images: list[Path]
) -> None:
    origin = await serve(origin_name, port=free_port())
    await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, images[:2])))
    labels = {"dicom_origin": origin.name, "dicom_status": "0x0110"}
    assert measured("isthmus_store_instances_total", **labels) == 2


async def test_an_origin_is_up_as_it_answered_last_and_unknown_before(
    bus: Bus, origin: DimseOrigin, pacs: FaultyPacs
) -> None:
    def is_up() -> float | None:
        return measured("isthmus_origin_up", dicom_origin=origin.name)

    assert is_up() is None
    pacs.behave(RefusesAssociation())
    with suppress(IsthmusError):
        await echo(bus, origin.name, PATIENCE)
    assert is_up() == 0
    pacs.behave()
    await echo(bus, origin.name, PATIENCE)
    assert is_up() == 1
