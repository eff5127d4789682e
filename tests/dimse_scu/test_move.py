"""Retrieves by C-MOVE: the PACS sends to our scp, which hands over to the worker that asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, RetrieveMethod, Settings
from isthmus.common.config.settings import Scp
from isthmus.common.errors import Incomplete, NotDelivered, OperationFailed
from isthmus.common.messages import BlobRef, Retrieve
from isthmus.common.retrieval import Retrieval
from isthmus.common.service import Parts
from isthmus.common.telemetry import span
from isthmus.common.telemetry.spans import install
from isthmus.scp.worker import serving
from tests.data_sets import identity, raw_dataset
from tests.dimse_scu.conftest import Serve
from tests.measured import measured
from tests.pacs import (
    FailsSuboperations,
    FaultyPacs,
    Kind,
    Operation,
    Slow,
    SuccessWithNothingSent,
)
from tests.peers import Peer, free_port
from tests.waiting import PATIENCE, until

BOTH = [RetrieveMethod.C_GET, RetrieveMethod.C_MOVE]


@pytest.fixture(scope="module")
def scp_peer() -> Peer:
    return Peer("ISTHMUS", "127.0.0.1", free_port())


@pytest.fixture(scope="module")
def _moving_pacs(images: list[Path], scp_peer: Peer) -> Iterator[FaultyPacs]:
    with FaultyPacs(images, ae_title="MOVING", destinations=[scp_peer]) as pacs:
        yield pacs


@pytest.fixture
def pacs(_moving_pacs: FaultyPacs) -> FaultyPacs:
    """A PACS that knows our scp."""
    return _moving_pacs.renewed()


@pytest.fixture
async def scp(
    bus: Bus, blobs: BlobStore, pacs: FaultyPacs, scp_peer: Peer, origin_name: str
) -> AsyncIterator[None]:
    origin = DimseOrigin(name=origin_name, ae_title=pacs.peer.ae_title, port=pacs.peer.port)
    settings = Settings(scp=Scp(listen=f"127.0.0.1:{scp_peer.port}"), origins=(origin,))
    async with serving(Parts(settings, bus, blobs)):
        yield


@pytest.fixture
async def moved(serve: Serve, origin_name: str, scp: None) -> DimseOrigin:
    """The PACS as an origin that is asked by C-MOVE alone."""
    return await serve(origin_name, retrieve=[RetrieveMethod.C_MOVE])


async def everything(retrieval: Retrieval, wanted: Retrieve) -> list[BlobRef]:
    async with asyncio.timeout(PATIENCE), retrieval.read(wanted) as instances:
        return [instance async for instance in instances]


async def test_without_our_scp_nothing_arrives_and_that_is_told(
    retrieval: Retrieval, serve: Serve, origin_name: str, study: str
) -> None:
    origin = await serve(origin_name, retrieve=[RetrieveMethod.C_MOVE])
    with pytest.raises((OperationFailed, NotDelivered)):
        await everything(retrieval, Retrieve(origin.name, study))


async def test_sub_operations_that_fail_are_named_and_all_others_arrive(
    retrieval: Retrieval, moved: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(FailsSuboperations(statuses={uids[4]: 0xC000}))
    with pytest.raises(Incomplete) as caught:
        await everything(retrieval, Retrieve(moved.name, study))
    assert list(caught.value.missing) == [uids[4]]


async def test_success_with_nothing_sent_is_asked_once_more(
    retrieval: Retrieval, moved: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(SuccessWithNothingSent(times=1))
    arrived = await everything(retrieval, Retrieve(moved.name, study))
    assert {blob.sop_instance_uid for blob in arrived} == set(uids)


async def test_a_study_arrives_whole_and_byte_for_byte(
    retrieval: Retrieval,
    blobs: BlobStore,
    moved: DimseOrigin,
    pacs: FaultyPacs,
    study: str,
    images: list[Path],
) -> None:
    arrived = await everything(retrieval, Retrieve(moved.name, study))
    expected = {identity(image).sop_instance_uid: raw_dataset(image) for image in images}
    assert {blob.sop_instance_uid: raw_dataset(await blobs.get(blob.key)) for blob in arrived} == expected
    assert len(arrived) == len(images)
    assert len(pacs.operations(Operation.MOVE)) == 1
    labels = {"dicom_origin": moved.name, "isthmus_method": "c-move"}
    assert measured("isthmus_retrieve_instances_total", **labels) == len(images)
    assert measured("isthmus_retrieve_size_bytes_total", **labels) == sum(blob.size for blob in arrived)


async def test_what_is_sent_to_scp_comes_in_other_traces_that_lead_to_the_job(
    retrieval: Retrieval, moved: DimseOrigin, study: str, uids: list[str]
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    install(provider)
    try:
        with span("request"):
            await everything(retrieval, Retrieve(moved.name, study))
        ended = await until(partial(_ended, exporter), lambda spans: "process dicom.retrieve" in spans)
    finally:
        install(NoOpTracerProvider())
    (job,) = [
        context.span_id for one in ended["process dicom.retrieve"] if (context := one.get_span_context())
    ]
    taken = ended["process dicom.received"]
    assert [[link.context.span_id for link in one.links] for one in taken] == [[job]] * len(uids)


async def _ended(exporter: InMemorySpanExporter) -> Mapping[str, Sequence[ReadableSpan]]:
    """Give the spans that have ended, by their names."""
    named: dict[str, list[ReadableSpan]] = {}
    for one in exporter.get_finished_spans():
        named.setdefault(one.name, []).append(one)
    return named


async def test_one_instance_is_asked_for_alone(
    retrieval: Retrieval, moved: DimseOrigin, pacs: FaultyPacs, study: str, series: str, uids: list[str]
) -> None:
    (arrived,) = await everything(retrieval, Retrieve(moved.name, study, series, uids[3]))
    assert arrived.sop_instance_uid == uids[3]
    await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.SENT)
    assert pacs.sent() == [uids[3]]


async def test_what_c_get_does_not_bring_comes_by_c_move(
    retrieval: Retrieval,
    serve: Serve,
    origin_name: str,
    scp: None,
    pacs: FaultyPacs,
    study: str,
    uids: list[str],
) -> None:
    origin = await serve(origin_name, retrieve=BOTH)
    # The whole study, and then the one that lacks, by its UID.
    pacs.behave(FailsSuboperations(statuses={uids[5]: 0xC000}, times=2))
    arrived = await everything(retrieval, Retrieve(origin.name, study))
    assert sorted(blob.sop_instance_uid for blob in arrived) == sorted(uids)
    assert pacs.sent()[-1] == uids[5]
    assert len(pacs.operations(Operation.MOVE)) == 1


async def test_a_reader_that_leaves_stops_the_origin_by_c_cancel(
    retrieval: Retrieval, moved: DimseOrigin, pacs: FaultyPacs, study: str, uids: list[str]
) -> None:
    pacs.behave(Slow(seconds=0.5))
    async with asyncio.timeout(PATIENCE):
        async with retrieval.read(Retrieve(moved.name, study)) as instances:
            await anext(instances)
        await asyncio.to_thread(pacs.wait_for, lambda event: event.kind is Kind.CANCELLED)
    assert len(pacs.sent()) < len(uids)
