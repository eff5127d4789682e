"""What a C-STORE is answered with (PS3.7 9.3.1.2)."""

from dataclasses import dataclass

from isthmus.common.dicom.statuses import error_comment
from isthmus.common.dimse import Category, category


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes into the C-STORE response."""

    status: int
    error_comment: str = ""

    @classmethod
    def of(cls, status: int, reason: str) -> "Answer":
        """Give a status, with the reason where it is a failure."""
        failed = category(status) is Category.FAILURE
        return cls(status, error_comment(reason) if failed else "")
