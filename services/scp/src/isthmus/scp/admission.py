"""Who may associate (PS3.8 9.3.4): decided from the request, before anything is spent on it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from isthmus.common.config import Inbox
from isthmus.scp.callers import Callers, Calling


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an association is rejected, as an A-ASSOCIATE-RJ says it (PS3.8 Table 9-21)."""

    result: int
    source: int
    reason: int
    meaning: str


CALLED_AE_TITLE: Final = Rejection(1, 1, 7, "Called AE title not recognized")
CALLING_AE_TITLE: Final = Rejection(1, 1, 3, "Calling AE title not recognized")
VERSION: Final = Rejection(1, 2, 2, "Protocol version not supported")
LOCAL_LIMIT: Final = Rejection(2, 3, 2, "Local limit exceeded")


class Admission:
    """The inboxes and ourselves, by called AE title, and who may come to which."""

    def __init__(self, ae_title: str, inboxes: Iterable[Inbox], callers: Callers) -> None:
        self._called: dict[str, Inbox | None] = {inbox.ae_title: inbox for inbox in inboxes}
        self._called[ae_title] = None
        self._callers = callers

    def decide(self, calling: Calling) -> Inbox | Rejection | None:
        """Give the inbox that is called, None where we ourselves are, or why not."""
        if calling.called_ae_title not in self._called:
            return CALLED_AE_TITLE
        if not calling.calling_ae_title:
            return CALLING_AE_TITLE
        inbox = self._called[calling.called_ae_title]
        return inbox if self._callers.may_associate(calling, inbox) else CALLING_AE_TITLE
