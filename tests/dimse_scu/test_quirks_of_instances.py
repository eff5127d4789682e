"""Origins that send an instance twice, otherwise, under a cut name, or one that nobody asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from isthmus.common.config import DimseOrigin
from isthmus.common.messages import Retrieve
from tests.common.retrieving.whole import Reader
from tests.data_sets import identity, make_series, raw_datasets, with_sop_instance_uid
from tests.pacs import (
    AbortsAfter,
    Behaviour,
    FaultyPacs,
    ListsCutUIDs,
    SendsAnother,
    SendsCutUIDs,
    SendsInFirstContext,
    SendsOtherBytes,
    SendsTwice,
)
from tests.pacs.on_sending import other_bytes
from tests.pacs.transcode import transcoded

EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Studies of their own: implicit, compressed, and over-long UIDs that begin alike."""
    directory = tmp_path_factory.mktemp("others")
    over_long = make_series(directory / "long", 3, seed=62)
    for number, file in enumerate(over_long):
        file.write_bytes(with_sop_instance_uid(file.read_bytes(), f"{'1.' * 34}{number}"))
    return [
        *make_series(directory / "implicit", 2, seed=60, transfer_syntax=ImplicitVRLittleEndian),
        *make_series(directory / "rle", 2, seed=61, transfer_syntax=RLELossless),
        *over_long,
    ]


@pytest.fixture(scope="module")
def _motley(images: list[Path], others: list[Path]) -> Iterator[FaultyPacs]:
    with FaultyPacs([*images, *others], ae_title="MOTLEY") as pacs:
        yield pacs


@pytest.fixture
def pacs(_motley: FaultyPacs) -> FaultyPacs:
    """A PACS that holds the study, and the others."""
    _motley.wait_until_closed()
    _motley.forget()
    _motley.behave()
    return _motley


async def test_an_instance_sent_twice_with_other_bytes_is_read_once_and_the_newer_is_kept(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], study: str
) -> None:
    first, *rest = raw_datasets(images)
    old = raw_datasets(images)
    new = {uid: other_bytes(data) for uid, data in old.items()}
    pacs.behave(SendsTwice(), SendsOtherBytes())
    arrived = await read(Retrieve(origin.name, study))
    assert arrived[first] in (old[first], new[first])
    assert {uid: arrived[uid] for uid in rest} == {uid: new[uid] for uid in rest}
    assert await read(Retrieve(origin.name, study)) == new
    assert len(pacs.sent()) == len(images) + 1


async def test_an_instance_of_another_study_in_between_is_dropped(
    read: Reader, origin: DimseOrigin, pacs: FaultyPacs, images: list[Path], others: list[Path], study: str
) -> None:
    pacs.behave(SendsAnother(sop_instance_uid=identity(others[0]).sop_instance_uid))
    assert await read(Retrieve(origin.name, study)) == raw_datasets(images)


@pytest.mark.parametrize(
    "behaviours",
    [
        [SendsCutUIDs()],
        [ListsCutUIDs()],
        [SendsCutUIDs(), ListsCutUIDs()],
        [SendsCutUIDs(), ListsCutUIDs(), AbortsAfter(instances=1, times=1)],
    ],
)
async def test_over_long_uids_that_begin_alike_are_all_brought(
    behaviours: list[Behaviour], read: Reader, origin: DimseOrigin, pacs: FaultyPacs, others: list[Path]
) -> None:
    pacs.behave(*behaviours)
    over_long = others[-3:]
    study = identity(over_long[0]).study_instance_uid
    assert await read(Retrieve(origin.name, study)) == raw_datasets(over_long)


@pytest.mark.parametrize("number", [0, 2])
async def test_what_is_sent_in_the_first_accepted_context_is_kept_as_it_was_sent(
    number: int, read: Reader, origin: DimseOrigin, pacs: FaultyPacs, others: list[Path]
) -> None:
    pacs.behave(SendsInFirstContext())
    files = others[number : number + 2]
    expected = {identity(file).sop_instance_uid: transcoded(file.read_bytes(), EXPLICIT) for file in files}
    assert await read(Retrieve(origin.name, identity(files[0]).study_instance_uid)) == expected


@pytest.mark.parametrize("number", [0, 2])
async def test_what_is_sent_as_it_is_held_is_kept_so(
    number: int, read: Reader, origin: DimseOrigin, others: list[Path]
) -> None:
    files = others[number : number + 2]
    study = identity(files[0]).study_instance_uid
    assert await read(Retrieve(origin.name, study)) == raw_datasets(files)
