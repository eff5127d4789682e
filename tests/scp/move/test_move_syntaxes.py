"""Destinations that do not take what is held as it is held get the nearest form that they take."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.filereader import read_dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
)

from isthmus.common.config import Inbox
from isthmus.common.config.destinations import Destination
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests.common.inbox.studies import arrived
from tests.data_sets import identity, make_series, raw_dataset
from tests.peers import Peer
from tests.scp.conftest import CT
from tests.scp.move.conftest import destination_of
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import move, wish
from tests.scp.retrieving.getter import Getter

SUCCESS, SOME_FAILED, ALL_FAILED = 0x0000, 0xB000, 0xA702


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study that is held in RLE Lossless."""
    return make_series(tmp_path_factory.mktemp("rle"), 3, seed=81, transfer_syntax=RLELossless)


@pytest.fixture(scope="module")
def study(images: list[Path]) -> str:
    return identity(images[0]).study_instance_uid


@pytest.fixture(scope="module")
def picky() -> Iterator[Receiver]:
    """What takes only one form; its tests say which."""
    with Receiver("PICKY", [CT], [ImplicitVRLittleEndian]) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def other() -> Iterator[Receiver]:
    """What takes no CT at all."""
    with Receiver("OTHER", [MRImageStorage]) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def modern() -> Iterator[Receiver]:
    """What takes everything as it is."""
    with Receiver("MODERN", [CT], [ExplicitVRLittleEndian, RLELossless]) as receiver:
        yield receiver


@pytest.fixture
def destinations(
    receiver: Receiver, picky: Receiver, other: Receiver, modern: Receiver
) -> tuple[Destination, ...]:
    for one in (receiver, picky, other, modern):
        one.reset()
    return tuple(destination_of(one.peer) for one in (receiver, picky, other, modern))


@pytest.fixture
async def server(parts: Parts, inbox: Inbox, images: list[Path]) -> AsyncIterator[Server]:
    """The face alone: what is in an inbox is known without its worker."""
    await arrived(parts.bus, parts.blobs, inbox.name, images)
    async with serving(parts) as running:
        yield running


def pixels(data: bytes, transfer_syntax_uid: str) -> bytes:
    implicit = transfer_syntax_uid == ImplicitVRLittleEndian
    return bytes(read_dataset(BytesIO(data), implicit, True).PixelData)


def decompressed(images: list[Path]) -> dict[str, bytes]:
    found = {}
    for image in images:
        data = pydicom.dcmread(image)
        data.decompress(generate_instance_uid=False)
        found[str(data.SOPInstanceUID)] = bytes(data.PixelData)
    return found


async def test_who_takes_it_gets_it_as_it_is_held(
    called: Peer, modern: Receiver, images: list[Path], study: str
) -> None:
    answer = await asyncio.to_thread(move, called, "MODERN", wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SUCCESS, (3, 0, 0))
    came = {one.sop_instance_uid: one.data for one in modern.came}
    assert came == {identity(image).sop_instance_uid: raw_dataset(image) for image in images}


async def test_who_takes_no_compression_gets_it_decompressed(
    called: Peer, receiver: Receiver, images: list[Path], study: str
) -> None:
    answer = await asyncio.to_thread(move, called, "RECEIVER", wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SUCCESS, (3, 0, 0)), answer.comment
    assert {one.transfer_syntax_uid for one in receiver.came} == {ExplicitVRLittleEndian}
    came = {one.sop_instance_uid: pixels(one.data, one.transfer_syntax_uid) for one in receiver.came}
    assert came == decompressed(images)


async def test_who_takes_only_implicit_vr_gets_that(
    called: Peer, picky: Receiver, images: list[Path], study: str
) -> None:
    answer = await asyncio.to_thread(move, called, "PICKY", wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SUCCESS, (3, 0, 0)), answer.comment
    came = {one.sop_instance_uid: pixels(one.data, ImplicitVRLittleEndian) for one in picky.came}
    assert came == decompressed(images)


async def test_who_does_not_take_the_sop_class_gets_nothing(
    called: Peer, other: Receiver, images: list[Path], study: str
) -> None:
    answer = await asyncio.to_thread(move, called, "OTHER", wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (ALL_FAILED, (0, 3, 0))
    assert set(answer.failed_uids) == {identity(image).sop_instance_uid for image in images}
    assert answer.comment
    assert not other.came


async def test_a_client_of_c_get_gets_what_it_takes(called: Peer, images: list[Path], study: str) -> None:
    getter = Getter([CT], [ExplicitVRLittleEndian])
    answer = await asyncio.to_thread(getter.get, called, wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SUCCESS, (3, 0, 0)), answer.comment
    came = {uid: pixels(data, ExplicitVRLittleEndian) for uid, data in getter.came.items()}
    assert came == decompressed(images)


async def test_a_client_of_c_get_that_leaves_the_choice_gets_it_uncompressed(
    called: Peer, images: list[Path], study: str
) -> None:
    getter = Getter([CT], [])
    getter.offer_together(CT, [JPEG2000Lossless, ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    answer = await asyncio.to_thread(getter.get, called, wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SUCCESS, (3, 0, 0)), answer.comment
    assert getter.came_in == {ExplicitVRLittleEndian}


async def test_a_client_of_c_get_that_takes_it_compressed_gets_it_so(
    called: Peer, images: list[Path], study: str
) -> None:
    getter = Getter([CT], [ExplicitVRLittleEndian, RLELossless])
    answer = await asyncio.to_thread(getter.get, called, wish("STUDY", StudyInstanceUID=study))
    assert (answer.status, answer.counts) == (SUCCESS, (3, 0, 0)), answer.comment
    assert getter.came == {identity(image).sop_instance_uid: raw_dataset(image) for image in images}


async def test_pixels_that_are_corrupt_are_one_failure(
    called: Peer, parts: Parts, inbox: Inbox, receiver: Receiver, tmp_path: Path
) -> None:
    good, bad = await asyncio.to_thread(_one_corrupt, tmp_path)
    await arrived(parts.bus, parts.blobs, inbox.name, [good, bad])
    uids = identity(bad)
    wanted = wish("STUDY", StudyInstanceUID=uids.study_instance_uid)
    answer = await asyncio.to_thread(move, called, "RECEIVER", wanted)
    assert (answer.status, answer.counts) == (SOME_FAILED, (1, 1, 0))
    assert answer.failed_uids == [uids.sop_instance_uid]
    assert "transfer syntax" in answer.comment


def _one_corrupt(directory: Path) -> tuple[Path, Path]:
    good, bad = make_series(directory, 2, seed=82, transfer_syntax=RLELossless)
    data = pydicom.dcmread(bad)
    data.PixelData = pydicom.encaps.encapsulate([b"\xff" * 100])
    data.save_as(bad)
    return good, bad
