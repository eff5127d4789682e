"""What was received: each instance once in S3, announced once, and the newest of different bytes."""

from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex
from threading import Event

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, progress
from isthmus.common.dicom.raw_bytes import RawBytes, UnnamedFile
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import BlobRef, InstanceReady, Retrieve, retrieve_fact
from isthmus.common.retrieving.delivery import PUTS_AT_ONCE, Delivery
from tests.data_sets import raw_dataset, transfer_syntax
from tests.waiting import PATIENCE

EXPLICIT = "1.2.840.10008.1.2.1"


def in_file(data: bytes) -> RawBytes:
    file = UnnamedFile()
    file.append(data)
    return RawBytes(file)


class Receiving(Delivery):
    """A delivery, and what was announced of it."""

    def __init__(self, bus: Bus, blobs: BlobStore, wanted: Retrieve) -> None:
        super().__init__(bus, blobs, wanted, f"1-{token_hex(4)}")

    def take(self, dataset: bytes | RawBytes) -> bool:
        return self.take_dataset(dataset if isinstance(dataset, RawBytes) else RawBytes(dataset), EXPLICIT)

    async def announced(self) -> list[BlobRef]:
        facts = await progress.replay(self._bus, self._subject, retrieve_fact)
        return [fact.blob for fact in facts if isinstance(fact, InstanceReady)]


@pytest.fixture
async def delivery(bus: Bus, blobs: BlobStore, origin_name: str, study: str) -> AsyncIterator[Receiving]:
    delivery = Receiving(bus, blobs, Retrieve(origin_name, study))
    yield delivery
    delivery.close()


@pytest.fixture
def data(images: list[Path]) -> bytes:
    return raw_dataset(images[0])


async def test_an_s3_that_takes_nothing_is_said_at_the_end_and_refuses_what_follows(
    delivery: Receiving, blobs: BlobStore, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(blobs, "put_blocking", full)
    assert delivery.take(data)
    with pytest.raises(StoreUnavailable):
        await delivery.settle()
    assert not delivery.take(data)
    assert (delivery.received, dict(delivery.blobs)) == (set(), {})


async def test_what_waits_is_not_put_any_more_when_s3_has_failed(
    delivery: Receiving, blobs: BlobStore, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_taken = Event()
    puts = []

    def full(key: str, _: object) -> None:
        puts.append(key)
        assert all_taken.wait(PATIENCE)
        raise StoreUnavailable("full")

    monkeypatch.setattr(blobs, "put_blocking", full)
    for _ in range(2 * PUTS_AT_ONCE):
        assert delivery.take(data)
    all_taken.set()
    with pytest.raises(StoreUnavailable):
        await delivery.settle()
    assert len(puts) == PUTS_AT_ONCE


async def test_an_instance_of_another_study_is_dropped(
    bus: Bus, blobs: BlobStore, origin_name: str, data: bytes
) -> None:
    delivery = Receiving(bus, blobs, Retrieve(origin_name, "1.2.3"))
    delivery.take(data)
    await delivery.settle()
    assert not delivery.blobs
    delivery.close()


async def test_what_is_no_data_set_is_dropped_and_the_rest_is_kept(
    delivery: Receiving, data: bytes, uids: list[str]
) -> None:
    delivery.take(b"no data set")
    delivery.take(data)
    await delivery.settle()
    assert set(delivery.blobs) == {uids[0]}


async def test_after_the_end_nothing_is_taken(delivery: Receiving, data: bytes) -> None:
    delivery.close()
    assert not delivery.take(data)


@pytest.mark.parametrize("hold", [RawBytes, in_file])
async def test_an_instance_is_in_s3_byte_for_byte_when_it_is_announced(
    delivery: Receiving, blobs: BlobStore, data: bytes, uids: list[str], hold: type[RawBytes]
) -> None:
    delivery.take(hold(data))
    await delivery.settle()
    (blob,) = await delivery.announced()
    assert delivery.received == {uids[0]}
    assert delivery.blobs[uids[0]] == blob
    held = await blobs.get(blob.key)
    assert len(held) == blob.size
    assert raw_dataset(held) == data


async def test_the_same_bytes_again_are_dropped(
    delivery: Receiving, blobs: BlobStore, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.take(data)
    await delivery.settle()
    monkeypatch.setattr(blobs, "put_blocking", None)
    assert delivery.take(data)
    await delivery.settle()
    assert len(await delivery.announced()) == 1


async def test_of_other_bytes_the_newer_are_kept_and_not_announced(
    delivery: Receiving, blobs: BlobStore, data: bytes, uids: list[str]
) -> None:
    newer = data[:-2] + b"\1\2"
    for one in (data, newer):
        delivery.take(one)
        await delivery.settle()
    assert raw_dataset(await blobs.get(delivery.blobs[uids[0]].key)) == newer
    (announced,) = await delivery.announced()
    assert raw_dataset(await blobs.get(announced.key)) == data


async def test_what_is_remembered_is_there_and_not_announced_again(
    bus: Bus, blobs: BlobStore, delivery: Receiving, data: bytes, uids: list[str]
) -> None:
    delivery.take(data)
    await delivery.settle()
    before = await delivery.announced()
    again = Receiving(bus, blobs, delivery._wanted)
    again.remember(before)
    assert (again.received, dict(again.blobs)) == ({uids[0]}, {uids[0]: before[0]})
    again.take(data)
    await again.announce(before[0])
    await again.settle()
    assert await again.announced() == []
    again.close()


async def test_what_came_is_newer_than_what_is_remembered(
    delivery: Receiving, data: bytes, uids: list[str]
) -> None:
    delivery.take(data)
    await delivery.settle()
    came = delivery.blobs[uids[0]]
    delivery.remember([BlobRef("b", "older", 1, "", "", uids[0], "", "")])
    assert delivery.blobs[uids[0]] == came


async def test_a_file_is_kept_as_it_came(
    delivery: Receiving, blobs: BlobStore, images: list[Path], uids: list[str]
) -> None:
    file = images[0].read_bytes()
    assert delivery.take_file(in_file(file))
    await delivery.settle()
    (blob,) = await delivery.announced()
    assert (blob.sop_instance_uid, blob.transfer_syntax_uid) == (uids[0], EXPLICIT)
    assert await blobs.get(blob.key) == file


async def test_a_file_that_breaks_off_is_dropped(delivery: Receiving, images: list[Path]) -> None:
    assert delivery.take_file(RawBytes(images[0].read_bytes()[:-2]))
    await delivery.settle()
    assert not delivery.blobs


async def test_a_file_without_header_gets_one(
    delivery: Receiving, blobs: BlobStore, data: bytes, uids: list[str]
) -> None:
    assert delivery.take_file(RawBytes(data))
    await delivery.settle()
    held = await blobs.get(delivery.blobs[uids[0]].key)
    assert held[128:132] == b"DICM"
    assert (raw_dataset(held), transfer_syntax(held)) == (data, EXPLICIT)
