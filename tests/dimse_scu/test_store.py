"""What a PACS may do to a store, and what comes of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest
from pynetdicom import evt

from isthmus.common.blobs import BlobStore, spool_key
from isthmus.common.bus import Bus
from isthmus.common.bus.stores import run_store
from isthmus.common.config import DimseOrigin
from isthmus.common.messages import BlobRef, InstanceStored, Store, encode
from isthmus.common.storing import job as storing
from tests.common.dimse.acceptor import acceptor, on
from tests.data_sets import identity, make_series, raw_dataset, transfer_syntax
from tests.dimse_scu.conftest import Serve
from tests.pacs import FaultyPacs, Operation, RefusesAssociation, Silent, StoreStatus
from tests.peers import free_port
from tests.waiting import PATIENCE

CT = "1.2.840.10008.5.1.4.1.1.2"


async def spooled(blobs: BlobStore, files: Sequence[Path]) -> tuple[BlobRef, ...]:
    job = token_hex(8)
    refs = []
    for number, file in enumerate(files):
        key, data, uids = spool_key(job, number), file.read_bytes(), identity(file)
        await blobs.put(key, data)
        refs.append(
            BlobRef(
                blobs.bucket,
                key,
                len(data),
                uids.study_instance_uid,
                uids.series_instance_uid,
                uids.sop_instance_uid,
                CT,
                transfer_syntax(file),
            )
        )
    return tuple(refs)


async def stored(bus: Bus, job: Store) -> list[InstanceStored]:
    async with asyncio.timeout(PATIENCE), run_store(bus, job) as results:
        return sorted([result async for result in results], key=lambda result: result.index)


async def test_instances_arrive_byte_for_byte_over_one_association(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path]
) -> None:
    results = await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, images)))
    assert [(result.status, result.failure) for result in results] == [(0, None)] * len(images)
    assert pacs.stored() == {identity(image).sop_instance_uid: [raw_dataset(image)] for image in images}
    assert pacs.associations() == 1


async def test_a_job_with_a_manifest_is_the_same_job(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, images: list[Path]
) -> None:
    job = token_hex(8)
    refs = await spooled(blobs, images)
    await blobs.put(f"spool/{job}/manifest", encode(Store(origin.name, job, refs)))
    results = await stored(bus, Store(origin.name, job, manifest=f"spool/{job}/manifest"))
    assert len(results) == len(images)


async def test_each_instance_has_its_own_status(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], uids: list[str]
) -> None:
    pacs.behave(StoreStatus(status=0xA700, instances=[uids[1]]))
    results = await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, images[:3])))
    assert [result.status for result in results] == [0, 0xA700, 0]
    assert [result.failure is None for result in results] == [True, False, True]


async def test_a_warning_is_no_failure(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path]
) -> None:
    pacs.behave(StoreStatus(status=0xB000))
    (result,) = await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, images[:1])))
    assert (result.status, result.failure) == (0xB000, None)


async def test_a_uid_that_fits_no_command_is_refused_here(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, pacs: FaultyPacs, corpus: list[Path]
) -> None:
    over_long = [file for file in corpus if len(identity(file).sop_instance_uid) > 64]
    results = await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, over_long)))
    assert {result.status for result in results} == {0x0117}
    assert len(results) == len(over_long) > 0
    assert pacs.stored() == {}


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [(RefusesAssociation(), "AssociationRejected"), (Silent(), "OriginTimeout")],
)
async def test_without_an_answer_every_instance_has_failed_and_the_next_job_works(
    bus: Bus,
    blobs: BlobStore,
    serve: Serve,
    origin_name: str,
    pacs: FaultyPacs,
    images: list[Path],
    behaviour: RefusesAssociation,
    kind: str,
) -> None:
    origin = await serve(origin_name, timeout_seconds=3 if kind == "OriginTimeout" else 20)
    pacs.behave(behaviour)
    refs = await spooled(blobs, images[:2])
    results = await stored(bus, Store(origin.name, token_hex(8), refs))
    assert [result.failure and result.failure.kind for result in results] == [kind, kind]
    assert [result.status for result in results] == [0x0110, 0x0110]
    pacs.behave()
    results = await stored(bus, Store(origin.name, token_hex(8), refs))
    assert [result.status for result in results] == [0, 0]


async def test_an_origin_that_is_not_there_fails_every_instance(
    bus: Bus, blobs: BlobStore, serve: Serve, origin_name: str, images: list[Path]
) -> None:
    origin = await serve(origin_name, port=free_port())
    results = await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, images[:2])))
    assert {result.failure and result.failure.kind for result in results} == {"OriginUnreachable"}


@pytest.mark.parametrize("alone", [True, False])
async def test_what_the_origin_has_no_context_for_says_whether_it_is_the_class_or_the_syntax(
    bus: Bus, blobs: BlobStore, serve: Serve, origin_name: str, images: list[Path], *, alone: bool
) -> None:
    first, second, third = await spooled(blobs, images[:3])
    refs = [
        replace(first, transfer_syntax_uid="1.2.840.10008.1.2.4.107"),
        replace(second, sop_class_uid="1.2.840.10008.5.1.4.1.1.4"),
        *([] if alone else [third]),
    ]
    with acceptor(on(evt.EVT_C_STORE, lambda _: 0), classes=[CT]) as only_ct:
        origin = await serve(origin_name, ae_title=only_ct.called_ae_title, port=only_ct.port)
        results = await stored(bus, Store(origin.name, token_hex(8), tuple(refs)))
    assert [result.status for result in results] == [0xC122, 0x0122, *([] if alone else [0])]


async def test_a_blob_that_is_gone_fails_alone(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, images: list[Path]
) -> None:
    refs = await spooled(blobs, images[:3])
    await blobs.delete(refs[1].key)
    results = await stored(bus, Store(origin.name, token_hex(8), refs))
    assert [result.failure is None for result in results] == [True, False, True]


async def test_more_classes_and_syntaxes_than_one_association_can_have(
    bus: Bus, blobs: BlobStore, serve: Serve, origin_name: str, pacs: FaultyPacs, tmp_path: Path
) -> None:
    origin = await serve(origin_name, associations=1)
    (image,) = make_series(tmp_path, 1)
    (ref,) = await spooled(blobs, [image])
    refs = tuple(
        BlobRef(
            ref.bucket,
            ref.key,
            ref.size,
            ref.study_instance_uid,
            ref.series_instance_uid,
            ref.sop_instance_uid,
            f"1.2.826.0.1.3680043.8.1055.{number}",
            ref.transfer_syntax_uid,
        )
        for number in range(150)
    )
    results = await stored(bus, Store(origin.name, token_hex(8), refs))
    assert sorted(result.index for result in results) == list(range(150))
    assert pacs.associations() == 2


async def test_silence_in_the_middle_does_not_lose_the_rest(
    bus: Bus, blobs: BlobStore, impatient: DimseOrigin, pacs: FaultyPacs, images: list[Path]
) -> None:
    pacs.behave(Silent(times=1))
    results = await stored(bus, Store(impatient.name, token_hex(8), await spooled(blobs, images[:3])))
    assert [result.status for result in results] == [0x0110, 0, 0]
    assert len(pacs.operations(Operation.STORE)) == 3


async def test_an_origin_that_falls_silent_on_a_used_association_is_asked_once(
    bus: Bus, blobs: BlobStore, impatient: DimseOrigin, pacs: FaultyPacs, images: list[Path]
) -> None:
    await stored(bus, Store(impatient.name, token_hex(8), await spooled(blobs, images[:1])))
    pacs.forget()
    pacs.behave(Silent())
    (result,) = await stored(bus, Store(impatient.name, token_hex(8), await spooled(blobs, images[:1])))
    assert result.failure is not None
    assert result.failure.kind == "OriginTimeout"
    assert len(pacs.operations(Operation.STORE)) == 1


async def test_an_origin_that_stays_silent_is_not_waited_for_with_each_instance(
    bus: Bus, blobs: BlobStore, serve: Serve, origin_name: str, pacs: FaultyPacs, images: list[Path]
) -> None:
    origin = await serve(origin_name, timeout_seconds=2)
    pacs.behave(Silent())
    results = await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, images)))
    kinds = [result.failure and result.failure.kind for result in results]
    assert kinds == ["OriginTimeout"] * 2 + ["NotTried"] * (len(images) - 2)
    assert len(pacs.operations(Operation.STORE)) == 2


async def test_a_blob_that_is_no_dicom_file_fails_alone(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, images: list[Path]
) -> None:
    refs = await spooled(blobs, images[:3])
    await blobs.put(refs[1].key, b"no DICOM at all" * 100)
    results = await stored(bus, Store(origin.name, token_hex(8), refs))
    assert [result.failure is None for result in results] == [True, False, True]


@pytest.mark.parametrize("sop_class_uid", ["1." * 40 + "1", "no-uid", ""])
async def test_a_class_that_cannot_be_proposed_fails_alone(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, images: list[Path], sop_class_uid: str
) -> None:
    refs = await spooled(blobs, images[:3])
    bad = replace(refs[1], sop_class_uid=sop_class_uid)
    results = await stored(bus, Store(origin.name, token_hex(8), (refs[0], bad, refs[2])))
    assert [result.failure is None for result in results] == [True, False, True]


@pytest.mark.parametrize("transfer_syntax_uid", ["1." * 40 + "1", "no-uid", ""])
async def test_a_transfer_syntax_that_cannot_be_proposed_fails_alone(
    bus: Bus, blobs: BlobStore, origin: DimseOrigin, images: list[Path], transfer_syntax_uid: str
) -> None:
    refs = await spooled(blobs, images[:3])
    bad = replace(refs[1], transfer_syntax_uid=transfer_syntax_uid)
    results = await stored(bus, Store(origin.name, token_hex(8), (refs[0], bad, refs[2])))
    assert [result.failure is None for result in results] == [True, False, True]


async def test_a_job_whose_manifest_is_gone_ends(bus: Bus, origin: DimseOrigin) -> None:
    job = token_hex(8)
    assert await stored(bus, Store(origin.name, job, manifest=f"spool/{job}/gone")) == []


async def test_a_job_that_killed_its_workers_is_given_up(
    bus: Bus,
    blobs: BlobStore,
    origin: DimseOrigin,
    images: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storing, "MAX_DELIVERIES", 0)
    results = await stored(bus, Store(origin.name, token_hex(8), await spooled(blobs, images[:2])))
    assert [result.failure and result.failure.kind for result in results] == ["NotDelivered"] * 2
