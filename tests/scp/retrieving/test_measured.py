"""What is measured of retrieves by legacy clients, and of the instances that go to them."""

import asyncio
from pathlib import Path

import pytest

from isthmus.common.config import Inbox
from isthmus.scp.worker import Server
from tests.data_sets import identity, raw_dataset
from tests.measured import measured, told, total
from tests.peers import Peer, eventually
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import STUDY_ROOT, move, wish
from tests.scp.retrieving.getter import Getter
from tests.waiting import until

DURATION = "isthmus_dimse_operation_duration_seconds_count"
SENT = "isthmus_dimse_data_size_bytes_total"


@pytest.fixture
def study(images: list[Path]) -> str:
    return identity(images[0]).study_instance_uid


async def test_each_sub_operation_of_a_get_is_told_with_what_the_client_answered(
    called: Peer, inbox: Inbox, images: list[Path], study: str
) -> None:
    getter = Getter()
    getter.answer = lambda number: 0xA700 if number == 1 else 0x0000
    answer = await asyncio.to_thread(getter.get, called, wish("STUDY", StudyInstanceUID=study))
    assert answer.status == 0xB000
    origin = {"dicom_origin": inbox.name}
    stores = {**origin, "dicom_operation": "C-STORE", "dicom_role": "scu"}
    assert measured(DURATION, **stores, dicom_status="0x0000") == len(images) - 1
    assert measured(DURATION, **stores, dicom_status="0xA700") == 1
    gets = told(DURATION, **origin, dicom_operation="C-GET", dicom_role="scp")
    assert gets == [{"dicom_status": "0xB000"}]
    size = sum(len(raw_dataset(image)) for image in images)
    assert measured(SENT, **stores, network_io_direction="transmit") == size
    assert not [labels for labels in told(DURATION) if "GETTER" in labels.values()]


async def test_a_client_that_aborts_ends_its_get_without_a_status(
    called: Peer, server: Server, inbox: Inbox, study: str
) -> None:
    getter = Getter()
    association = await asyncio.to_thread(getter.associate, called)
    responses = association.send_c_get(wish("STUDY", StudyInstanceUID=study), f"{STUDY_ROOT}.3")
    await asyncio.to_thread(next, responses)
    await asyncio.to_thread(association.abort)
    assert await asyncio.to_thread(eventually, lambda: server.associations == 0, timeout_seconds=20)
    labels = {"dicom_origin": inbox.name, "dicom_operation": "C-GET", "dicom_role": "scp"}
    ended = await until(lambda: asyncio.sleep(0, told(DURATION, **labels)))
    assert ended == [{"error_type": "AssociationOver"}]


async def test_what_a_move_sends_is_told_with_its_destination(
    called: Peer, inbox: Inbox, receiver: Receiver, images: list[Path], study: str
) -> None:
    title = receiver.peer.ae_title
    stores = {"dicom_origin": title, "dicom_operation": "C-STORE", "dicom_role": "scu"}
    before = total(DURATION, **stores, dicom_status="0x0000")
    answer = await asyncio.to_thread(move, called, title, wish("STUDY", StudyInstanceUID=study))
    assert answer.status == 0x0000
    assert total(DURATION, **stores, dicom_status="0x0000") - before == len(images)
    moves = told(DURATION, dicom_origin=inbox.name, dicom_operation="C-MOVE", dicom_role="scp")
    assert moves == [{"dicom_status": "0x0000"}]
