"""A workstation on pynetdicom, that asks by C-MOVE and C-GET, and keeps every response."""

from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from tests.peers import Peer

STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2"
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1"
PATIENT_STUDY_ONLY = "1.2.840.10008.5.1.4.1.2.3"
PENDING = 0xFF00


@dataclass(frozen=True)
class Told:
    """One response."""

    status: int
    remaining: int | None
    completed: int | None
    failed: int | None
    warning: int | None
    comment: str


@dataclass
class Answer:
    """All responses to a request."""

    pending: list[Told] = field(default_factory=list)
    final: Told | None = None
    failed_uids: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        assert self.final is not None, "no final response"
        return self.final.status

    @property
    def counts(self) -> tuple[int | None, int | None, int | None]:
        """Completed, failed and warning of the final response."""
        assert self.final is not None, "no final response"
        return self.final.completed, self.final.failed, self.final.warning

    @property
    def comment(self) -> str:
        """The Error Comment of the final response."""
        assert self.final is not None, "no final response"
        return self.final.comment

    def take(self, status: Dataset, identifier: Dataset | None) -> None:
        assert "Status" in status, "no response"
        told = Told(
            status.Status,
            status.get("NumberOfRemainingSuboperations"),
            status.get("NumberOfCompletedSuboperations"),
            status.get("NumberOfFailedSuboperations"),
            status.get("NumberOfWarningSuboperations"),
            str(status.get("ErrorComment", "")),
        )
        if told.status == PENDING:
            self.pending.append(told)
            return
        self.final = told
        if identifier is not None:
            uids = identifier.get("FailedSOPInstanceUIDList", [])
            self.failed_uids = [uids] if isinstance(uids, str) else list(uids)


def wish(level: str, /, **keys: object) -> Dataset:
    """Make an Identifier."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        identifier.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=0))
    return identifier


def associate(peer: Peer, *sop_classes: str, calling: str = "WORKSTATION") -> Association:
    """Open an association; its operations wait 20 s."""
    entity = AE(calling)
    entity.dimse_timeout = entity.acse_timeout = 60
    for sop_class_uid in sop_classes:
        entity.add_requested_context(sop_class_uid)
    association = entity.associate(peer.host, peer.port, ae_title=peer.ae_title)
    assert association.is_established, "no association"
    return association


def move(
    peer: Peer, destination: str, identifier: Dataset, *, model: str = STUDY_ROOT, message_id: int = 1
) -> Answer:
    """Ask for a C-MOVE, to its end; blocks."""
    association = associate(peer, f"{model}.2")
    answer = Answer()
    try:
        responses = association.send_c_move(
            identifier, destination, f"{model}.2", msg_id=message_id, priority=1
        )
        for status, failed in responses:
            answer.take(status, failed)
    finally:
        association.release()
    return answer
