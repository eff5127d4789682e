"""The answers that we encode ourselves, as a peer reads them; and those that we leave to pynetdicom."""

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_messages import C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE

from tests.common.dimse.acceptor import acceptor

COMMENT = "There is other content under this SOP Instance UID"


def image() -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def answered(status: int, comment: str, limit: int) -> tuple[Dataset, list[int]]:
    sent: list[int] = []

    def store(_: evt.Event) -> Dataset:
        answer = Dataset()
        answer.Status = status
        if comment:
            answer.ErrorComment = comment
        return answer

    def note(event: evt.Event) -> None:
        sent.append(event.message.command_set.CommandField)

    with acceptor((evt.EVT_C_STORE, store), (evt.EVT_DIMSE_SENT, note), classes=[CTImageStorage]) as peer:
        entity = AE(peer.calling_ae_title)
        entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        association = entity.associate(peer.host, peer.port, ae_title=peer.called_ae_title, max_pdu=limit)
        answer = association.send_c_store(image(), msg_id=7)
        association.release()
    return answer, sent


@pytest.mark.parametrize("limit", [0, 64, 16384])
@pytest.mark.parametrize(("status", "comment"), [(0x0000, ""), (0xB000, ""), (0xA700, ""), (0x0111, COMMENT)])
def test_the_peer_reads_what_was_answered(status: int, comment: str, limit: int) -> None:
    answer, sent = answered(status, comment, limit)
    assert answer.Status == status
    assert answer.get("ErrorComment", "") == comment
    assert sent == [0x8001]


@pytest.mark.parametrize(("status", "comment", "upstream"), [(0x0000, "", 0), (0x0111, COMMENT, 1)])
def test_pynetdicom_encodes_what_says_more_than_its_status(
    status: int, comment: str, upstream: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = C_STORE_RSP.primitive_to_message

    def note(message: C_STORE_RSP, primitive: C_STORE) -> None:
        encoded.append(primitive.Status or 0)
        encode(message, primitive)

    monkeypatch.setattr(C_STORE_RSP, "primitive_to_message", note)
    answered(status, comment, 16384)
    assert encoded == [status] * upstream
