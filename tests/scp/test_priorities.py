"""Requests with a Priority that is none of the three: no archive minds, but pynetdicom aborts over it."""

import asyncio
from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from isthmus.common.config import Inbox
from isthmus.scp.worker import Server
from tests.scp.modality import CT
from tests.scp.retrieving.client import STUDY_ROOT
from tests.scp.wire import EXPLICIT, LAST_OF_COMMAND, LAST_OF_DATA, answer, associated, command, p_data


@pytest.mark.parametrize(
    ("sop_class_uid", "field", "status"),
    [
        (CT, 0x0001, 0x0000),
        (f"{STUDY_ROOT}.1", 0x0020, 0xA900),
        (f"{STUDY_ROOT}.2", 0x0021, 0xA801),
        (f"{STUDY_ROOT}.3", 0x0010, 0xA900),
    ],
    ids=["C-STORE", "C-FIND", "C-MOVE", "C-GET"],
)
@pytest.mark.parametrize("priority", [7, None], ids=["unknown", "empty"])
async def test_an_unknown_priority_is_none(
    server: Server,
    inbox: Inbox,
    dataset: Callable[..., bytes],
    sop_class_uid: str,
    field: int,
    status: int,
    priority: int | None,
) -> None:
    """What is asked is judged by all else: the instance is stored, and no data set is an Identifier."""
    request = command(
        AffectedSOPClassUID=sop_class_uid,
        CommandField=field,
        MessageID=5,
        Priority=priority,
        CommandDataSetType=0,
        AffectedSOPInstanceUID="1.2.3.4",
        MoveDestination="NOWHERE",
    )

    def run() -> Dataset:
        with associated(server.port, inbox.ae_title, [(1, sop_class_uid, EXPLICIT)]) as connection:
            connection.sendall(p_data((1, LAST_OF_COMMAND, request), (1, LAST_OF_DATA, dataset())))
            return answer(connection)

    response = await asyncio.to_thread(run)
    assert (response.CommandField, response.Status) == (0x8000 | field, status)
