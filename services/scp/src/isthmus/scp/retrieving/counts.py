"""What became of the sub-operations of a C-MOVE or C-GET (PS3.7 9.1.3.1, 9.1.4.1)."""

from collections.abc import Iterable
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from isthmus.common.dicom.statuses import (
    OUT_OF_RESOURCES_SUB_OPERATIONS,
    SUB_OPERATIONS_FAILED,
    SUCCESS,
)
from isthmus.common.dimse import Category, category
from isthmus.common.dimse.identifiers import encode_identifier
from isthmus.scp.asked import SubOperationCounts

MOST: Final = 0xFFFF
"""A US."""
LONGEST_LIST: Final = 0xFFFE
"""Bytes of a UI, where its length has 16 bits (PS3.5 7.1.2)."""
_FAILED_SOP_INSTANCE_UID_LIST: Final = 0x00080058


class Counts:
    """The sub-operations of one request, by what became of them."""

    def __init__(self) -> None:
        self.total: int | None = None
        """How many there are, as far as the origin told; None while nobody knows."""
        self.completed = 0
        self.warning = 0
        self.failed_uids: dict[str, None] = {}
        """SOP Instance UIDs, in the order of their failures."""
        self.failed_unnamed = 0
        """Failures of which only the number is known."""

    @property
    def failed(self) -> int:
        """How many failed."""
        return len(self.failed_uids) + self.failed_unnamed

    @property
    def done(self) -> int:
        """How many have come to an end."""
        return self.completed + self.warning + self.failed

    def note(self, sop_instance_uid: str, status: int) -> None:
        """Take note of the answer to a C-STORE."""
        match category(status):
            case Category.SUCCESS:
                self.completed += 1
            case Category.WARNING:
                self.warning += 1
            case _:
                self.note_failed([sop_instance_uid])

    def note_failed(self, sop_instance_uids: Iterable[str]) -> None:
        """Take note of what could not be sent."""
        self.failed_uids.update(dict.fromkeys(sop_instance_uids))

    def of_pending(self) -> SubOperationCounts:
        """Give the counters while it goes on, or was cancelled."""
        remaining = None if self.total is None else min(MOST, max(0, self.total - self.done))
        return SubOperationCounts(remaining, *self._others())

    def of_final(self) -> SubOperationCounts:
        """Give the counters of the end."""
        return SubOperationCounts(None, *self._others())

    def _others(self) -> tuple[int, int, int]:
        return min(MOST, self.completed), min(MOST, self.failed), min(MOST, self.warning)

    def status(self) -> int:
        """Give the final status that they make (PS3.4 C.4.2.3.1, C.4.3.3.1)."""
        if not self.failed and not self.warning:
            return SUCCESS
        return SUB_OPERATIONS_FAILED if self.completed or self.warning else OUT_OF_RESOURCES_SUB_OPERATIONS

    def identifier(self, transfer_syntax_uid: str) -> bytes | None:
        """Give the Failed SOP Instance UID List (0008,0058), as much of it as an element has room for.

        None where nothing failed that has a name: there is no data set then.
        """
        uids: list[UID] = []
        size = 0
        for uid in self.failed_uids:
            size += len(uid) + 1
            if size > LONGEST_LIST:
                break
            uids.append(UID(uid, validation_mode=0))
        if not uids:
            return None
        data = Dataset()
        value = uids if len(uids) > 1 else uids[0]
        data.add(DataElement(_FAILED_SOP_INSTANCE_UID_LIST, "UI", value, validation_mode=0))
        return encode_identifier(data, transfer_syntax_uid).getvalue()
