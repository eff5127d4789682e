"""C-STORE: what was asked for is in S3 before Success; everything else is refused, with the reason."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from io import BytesIO

import pydicom
import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.granted import Guarded
from isthmus.common.config import Origin
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dicom.raw_bytes import RawBytes
from isthmus.common.dimse import NON_PATIENT_OBJECTS
from isthmus.common.messages import BlobRef, Received, ReceivedAnswer
from isthmus.common.service import Parts
from isthmus.common.threads import Threads
from isthmus.scp.worker import Server, serving
from tests.scp.conftest import CT, EXPLICIT, PACS, TWINS, Sending, keys, send

Dataset = Callable[..., bytes]


@asynccontextmanager
async def asking(
    bus: Bus, origin: str, study: str = "1.2.3", status: int = 0
) -> AsyncIterator[list[Received]]:
    """Be the worker that asked for a study."""
    received: list[Received] = []

    async def answer(message: Received) -> ReceivedAnswer:
        received.append(message)
        return ReceivedAnswer(status)

    subscription = await bus.serve(subjects.received(origin, study), "worker", answer, Received)
    await bus.client.flush()
    try:
        yield received
    finally:
        await subscription.unsubscribe()


async def test_a_caller_that_is_no_origin_is_refused(server: Server, dataset: Dataset) -> None:
    (result,) = await send(server, Sending(dataset()), calling="STRANGER")
    assert result.status == 0x0124
    assert result.error_comment == "The calling AE title is that of no configured origin"


async def test_what_nobody_asked_for_is_refused_and_leaves_nothing(
    server: Server, blobs: BlobStore, origin_name: str, dataset: Dataset
) -> None:
    (result,) = await send(server, Sending(dataset()))
    assert (result.status, result.error_comment) == (0x0124, "Nobody asked for an instance of this study")
    assert await keys(blobs, origin_name) == []


async def test_what_nobody_asked_for_does_not_delete_what_a_retrieve_brought(
    server: Server, bus: Bus, blobs: BlobStore, origin_name: str, dataset: Dataset
) -> None:
    async with asking(bus, origin_name):
        await send(server, Sending(dataset()))
    (result,) = await send(server, Sending(dataset()))
    assert result.status == 0x0124
    assert len(await keys(blobs, origin_name)) == 1


@pytest.mark.parametrize("missing", ["study", "series", "instance"])
async def test_a_data_set_without_a_uid_is_refused_by_name(
    server: Server, dataset: Dataset, missing: str
) -> None:
    (result,) = await send(server, Sending(dataset(**{missing: ""})))
    assert result.status == 0xA900
    assert "UID" in result.error_comment
    assert len(result.error_comment) <= 64


async def test_what_is_no_data_set_is_refused(server: Server) -> None:
    (result,) = await send(server, Sending(b"no data set at all"))
    assert result.status == 0xA900
    assert result.error_comment


async def test_a_worker_that_does_not_answer_means_out_of_resources(
    server: Server, bus: Bus, origin_name: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def never(_: Received) -> ReceivedAnswer:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    request = bus.request

    async def impatient(
        subject: str, message: object, answer: type[ReceivedAnswer], *, guarded: Guarded
    ) -> ReceivedAnswer:
        return await request(subject, message, answer, timeout=0.3, guarded=guarded)

    monkeypatch.setattr(bus, "request", impatient)
    subscription = await bus.serve(subjects.received(origin_name, "1.2.3"), "worker", never, Received)
    await bus.client.flush()
    (result,) = await send(server, Sending(dataset()))
    assert asked.is_set()
    assert result.status == 0xA700
    assert result.error_comment
    await subscription.unsubscribe()
    for task in bus._tasks:
        task.cancel()


async def test_an_s3_that_is_away_means_out_of_resources_and_nobody_is_told(
    bus: Bus, origins: tuple[Origin, ...], parts: Parts, dataset: Dataset
) -> None:
    threads = Threads("away", 2)
    away = BlobStore("127.0.0.1:1", "key", "secret", "bucket", threads=threads, deadline=0.3)
    async with (
        asking(bus, origins[0].name) as received,
        serving(Parts(parts.settings, bus, away)) as server,
    ):
        (result,) = await send(server, Sending(dataset()))
    assert result.status == 0xA700
    assert result.error_comment
    assert received == []
    away.close()
    threads.close()


async def test_the_workers_status_is_the_answer(
    server: Server, bus: Bus, origin_name: str, dataset: Dataset
) -> None:
    async with asking(bus, origin_name, status=0xA700):
        (result,) = await send(server, Sending(dataset()))
    assert (result.status, result.error_comment) == (0xA700, "Refused: out of resources")


async def test_what_was_asked_for_is_in_s3_byte_for_byte_when_the_worker_hears_of_it(
    server: Server, bus: Bus, blobs: BlobStore, origin_name: str, dataset: Dataset
) -> None:
    data = dataset()
    held: list[bytes] = []

    async def answer(message: Received) -> ReceivedAnswer:
        held.append(await blobs.get(message.blob.key))
        assert message.calling_ae_title == PACS
        assert message.blob == BlobRef(
            blobs.bucket, message.blob.key, len(held[0]), "1.2.3", "1.2.3.9", "1.2.3.4", CT, EXPLICIT
        )
        return ReceivedAnswer(0)

    subscription = await bus.serve(subjects.received(origin_name, "1.2.3"), "worker", answer, Received)
    await bus.client.flush()
    (result,) = await send(server, Sending(data))
    await subscription.unsubscribe()
    assert (result.status, result.error_comment) == (0, "")
    meta = read_file_meta(BytesIO(held[0]))
    assert (meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid) == (CT, "1.2.3.4", EXPLICIT)
    assert held[0][meta.dataset_offset :] == data
    assert pydicom.dcmread(BytesIO(held[0])).file_meta.SourceApplicationEntityTitle == PACS
    (key,) = await keys(blobs, origin_name)
    assert key.startswith(f"held/{origin_name}/1.2.3/1.2.3.9/1.2.3.4/")


async def test_the_uid_is_the_data_sets_and_not_the_commands_which_may_be_cut(
    server: Server, bus: Bus, origin_name: str, dataset: Dataset
) -> None:
    uid = "1." + "2" * 80
    async with asking(bus, origin_name) as received:
        (result,) = await send(server, Sending(dataset(instance=uid), sop_instance_uid=uid[:64]))
    assert result.status == 0
    assert [message.blob.sop_instance_uid for message in received] == [uid]


@pytest.mark.parametrize(
    ("sop_class_uid", "transfer_syntax_uid"),
    [
        ("1.2.826.0.1.3680043.9.7133.1", EXPLICIT),
        ("1.2.840.10008.5.1.4.1.1.999.1", EXPLICIT),
        (CT, "1.2.826.0.1.3680043.9.7133.2"),
        (CT, "1.2.840.10008.1.2.4.201"),
        ("1.2.840.10008.5.1.4.1.1.5", EXPLICIT),
        *((sop_class_uid, EXPLICIT) for sop_class_uid in NON_PATIENT_OBJECTS),
    ],
)
async def test_every_storage_class_and_transfer_syntax_is_taken(
    server: Server, bus: Bus, origin_name: str, dataset: Dataset, sop_class_uid: str, transfer_syntax_uid: str
) -> None:
    async with asking(bus, origin_name) as received:
        sending = Sending(dataset(), sop_class_uid=sop_class_uid, transfer_syntax_uid=transfer_syntax_uid)
        (result,) = await send(server, sending)
    assert result.status == 0
    assert [message.blob.transfer_syntax_uid for message in received] == [transfer_syntax_uid]


async def test_of_origins_that_share_an_ae_title_the_one_that_asked_gets_it(
    server: Server, bus: Bus, blobs: BlobStore, origin_name: str, dataset: Dataset
) -> None:
    async with asking(bus, f"{origin_name}-b") as received:
        (result,) = await send(server, Sending(dataset()), calling=TWINS)
    assert result.status == 0
    assert len(received) == 1
    assert await keys(blobs, f"{origin_name}-a/") == []
    assert len(await keys(blobs, f"{origin_name}-b/")) == 1


async def test_one_refusal_does_not_end_the_association(
    server: Server, bus: Bus, origin_name: str, dataset: Dataset
) -> None:
    async with asking(bus, origin_name, "1.2.5"):
        results = await send(
            server,
            Sending(dataset(study="1.2.4")),
            Sending(dataset(study="1.2.5")),
            Sending(b""),
            Sending(dataset(study="1.2.5", instance="1.2.3.5"), sop_instance_uid="1.2.3.5"),
        )
    assert [result.status for result in results] == [0x0124, 0, 0xA900, 0]


async def test_many_associations_at_once(
    server: Server, bus: Bus, origin_name: str, dataset: Dataset
) -> None:
    async with asking(bus, origin_name) as received:
        results = await asyncio.gather(
            *(send(server, Sending(dataset(instance=f"1.2.3.{number}"))) for number in range(8))
        )
    assert [result.status for one in results for result in one] == [0] * 8
    assert len({message.blob.key for message in received}) == 8


async def test_patient_data_is_in_no_log(
    server: Server, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    await send(server, Sending(dataset(name=b"Geheim")))
    await send(server, Sending(dataset(study="", name=b"Geheim")))
    captured = capsys.readouterr()
    assert "not stored" in captured.out + captured.err
    assert "Geheim" not in captured.out + captured.err
    assert "1.2.3.4" not in captured.out + captured.err


async def test_a_large_data_set_is_in_s3_byte_for_byte_and_was_never_in_memory(
    server: Server,
    bus: Bus,
    blobs: BlobStore,
    origin_name: str,
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_memory: list[int] = []
    put = blobs.put

    async def measured(key: str, data: Sequence[bytes | RawBytes]) -> None:
        in_memory.extend(piece.in_memory for piece in data if isinstance(piece, RawBytes))
        await put(key, data)

    monkeypatch.setattr(blobs, "put", measured)
    pixels = random.Random(0).randbytes(20 * 1024 * 1024)
    large = dataset() + b"\xe0\x7f\x10\x00OW\0\0" + len(pixels).to_bytes(4, "little") + pixels
    async with asking(bus, origin_name) as received:
        (result,) = await send(server, Sending(large))
    assert result.status == 0
    assert in_memory == [0]
    assert (await blobs.get(received[0].blob.key)).endswith(large)
