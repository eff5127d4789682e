"""What we encode ourselves is what pynetdicom would."""

from io import BytesIO

import pytest
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from isthmus.common.dimse import install
from isthmus.common.dimse.commands import fragments, store_request, store_response

CT = "1.2.840.10008.5.1.4.1.1.2"
EVEN, ODD, OVER_LONG = "1.2.34", "1.2.3", "1.2." + "3" * 71
DATA = b"data"


@pytest.fixture(autouse=True)
def _over_long_uids_pass() -> None:
    install()


def contents(pdus: list[P_DATA]) -> list[tuple[int, bytes]]:
    return [item for pdu in pdus for item in pdu.presentation_data_value_list]


@pytest.mark.parametrize("uid", [EVEN, ODD, OVER_LONG, None])
@pytest.mark.parametrize("status", [0x0000, 0xA700])
@pytest.mark.parametrize("limit", [64, 16384])
def test_a_response(uid: str | None, status: int, limit: int) -> None:
    message = C_STORE()
    message.MessageIDBeingRespondedTo = 65535
    message.AffectedSOPClassUID = CT
    message.AffectedSOPInstanceUID = uid
    message.Status = status
    theirs = C_STORE_RSP()
    theirs.primitive_to_message(message)
    ours = fragments(store_response(message), 3, limit - 6)
    assert contents(list(ours)) == contents(list(theirs.encode_msg(3, limit)))


@pytest.mark.parametrize("uid", [EVEN, ODD])
@pytest.mark.parametrize("limit", [64, 16384])
def test_a_request(uid: str, limit: int) -> None:
    message = C_STORE()
    message.MessageID = 7
    message.AffectedSOPClassUID = CT
    message.AffectedSOPInstanceUID = uid
    message.DataSet = BytesIO(DATA)
    theirs = C_STORE_RQ()
    theirs.primitive_to_message(message)
    (*command, (_, last)) = contents(list(theirs.encode_msg(3, limit)))
    assert last == b"\2" + DATA
    assert contents(list(fragments(store_request(message), 3, limit - 6))) == command


@pytest.mark.parametrize("title", ["EVEN", "ODD"])
def test_a_request_for_a_move(title: str) -> None:
    message = C_STORE()
    message.MessageID = 7
    message.Priority = 1
    message.AffectedSOPClassUID = CT
    message.AffectedSOPInstanceUID = ODD
    message.MoveOriginatorApplicationEntityTitle = title
    message.MoveOriginatorMessageID = 65535
    message.DataSet = BytesIO(DATA)
    theirs = C_STORE_RQ()
    theirs.primitive_to_message(message)
    (*command, _) = contents(list(theirs.encode_msg(3, 16384)))
    assert contents(list(fragments(store_request(message), 3, 16378))) == command
