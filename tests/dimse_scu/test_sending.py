"""Many instances go over two associations, where the origin allows it and nobody else wants one."""

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin
from isthmus.common.dimse import Association, Context, Peer
from isthmus.common.messages import BlobRef, InstanceStored, Store
from tests.data_sets import identity, make_series, raw_dataset
from tests.dimse_scu.conftest import Serve
from tests.dimse_scu.test_store import spooled, stored
from tests.pacs import FaultyPacs, Operation, RefusesAssociation, Silent, StoreStatus


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Worth two associations, for more than one turn of the second."""
    return make_series(tmp_path_factory.mktemp("many"), 80)


async def store(bus: Bus, origin: DimseOrigin, refs: Sequence[BlobRef]) -> list[InstanceStored]:
    return await stored(bus, Store(origin.name, token_hex(8), tuple(refs)))


async def test_all_arrive_byte_for_byte_and_once(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, many: list[Path]
) -> None:
    results = await store(bus, origin, await spooled(blobs, many))
    assert [result.index for result in results] == list(range(len(many)))
    assert {(result.status, result.failure) for result in results} == {(0, None)}
    assert pacs.stored() == {identity(image).sop_instance_uid: [raw_dataset(image)] for image in many}
    assert pacs.associations_at_once() == 2


@pytest.mark.parametrize("associations", [1, 2])
async def test_one_is_left_to_others(
    bus: Bus,
    blobs: BlobStore,
    serve: Serve,
    origin_name: str,
    pacs: FaultyPacs,
    many: list[Path],
    associations: int,
) -> None:
    origin = await serve(origin_name, associations=associations)
    await store(bus, origin, await spooled(blobs, many))
    assert pacs.associations() == 1


async def test_an_origin_that_refuses_the_second_gets_all_over_the_first(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, many: list[Path]
) -> None:
    pacs.behave(RefusesAssociation(beyond=1))
    results = await store(bus, origin, await spooled(blobs, many))
    assert {result.failure for result in results} == {None}
    assert pacs.associations() == 1


async def test_the_second_is_not_asked_for_before_the_first_is_there(
    bus: Bus,
    blobs: BlobStore,
    origin: DimseOrigin,
    pacs: FaultyPacs,
    many: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An origin that allows one may refuse the first otherwise."""
    opened, another, overlaps = Association.open, threading.Event(), list[bool]()

    def slow(peer: Peer, contexts: Sequence[Context]) -> Association:
        if overlaps:
            another.set()
        else:
            overlaps.append(False)
            overlaps[0] = another.wait(0.5)
        return opened(peer, contexts)

    monkeypatch.setattr(Association, "open", slow)
    results = await store(bus, origin, await spooled(blobs, many))
    assert {result.failure for result in results} == {None}
    assert overlaps == [False]


async def test_one_association_that_falls_silent_loses_one_instance(
    bus: Bus, blobs: BlobStore, impatient: DimseOrigin, pacs: FaultyPacs, many: list[Path]
) -> None:
    pacs.behave(Silent(times=1))
    results = await store(bus, impatient, await spooled(blobs, many))
    assert [result.failure.kind for result in results if result.failure is not None] == ["OriginTimeout"]
    assert len(pacs.operations(Operation.STORE)) == len(many)


async def test_an_origin_that_is_silent_on_both_is_not_sent_the_rest(
    bus: Bus, blobs: BlobStore, serve: Serve, origin_name: str, pacs: FaultyPacs, many: list[Path]
) -> None:
    origin = await serve(origin_name, timeout_seconds=2)
    pacs.behave(Silent())
    results = await store(bus, origin, await spooled(blobs, many))
    kinds = Counter(result.failure.kind for result in results if result.failure is not None)
    asked = len(pacs.operations(Operation.STORE))
    assert asked <= 4
    assert kinds == {"OriginTimeout": asked, "NotTried": len(many) - asked}


async def test_each_result_is_that_of_its_own_instance(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, many: list[Path]
) -> None:
    refused = [identity(image).sop_instance_uid for image in many[::7]]
    pacs.behave(StoreStatus(status=0xA700, instances=refused))
    results = await store(bus, origin, await spooled(blobs, many))
    assert [result.sop_instance_uid for result in results if result.status == 0xA700] == refused
    assert [result.sop_instance_uid for result in results] == [
        identity(image).sop_instance_uid for image in many
    ]
