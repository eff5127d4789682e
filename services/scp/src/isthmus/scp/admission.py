"""Who may associate (PS3.8 9.3.4): decided from the request, before anything is spent on it.

The called AE title says what an association is for: that of an origin, of all of them as one, or our own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from isthmus.common.auth import Principal
from isthmus.common.config import DimseOrigin, Origin
from isthmus.common.telemetry import get_logger
from isthmus.scp.callers import Callers, Calling, principal_of
from isthmus.scp.everything import AllOrigins
from isthmus.scp.nowhere import NOWHERE

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an association is rejected, as an A-ASSOCIATE-RJ says it (PS3.8 Table 9-21)."""

    result: int
    source: int
    reason: int
    name: str
    """In metrics."""
    meaning: str
    why: str = ""
    """What it does not say: for the audit and the log alone, and nothing of what was shown."""

    @property
    def in_words(self) -> str:
        """All that is known of why."""
        return f"{self.meaning}: {self.why}" if self.why else self.meaning

    def because(self, why: str) -> "Rejection":
        """Give the same, with why."""
        return replace(self, why=why)


CALLED_AE_TITLE: Final = Rejection(1, 1, 7, "called_ae_title", "Called AE title not recognized")
CALLING_AE_TITLE: Final = Rejection(1, 1, 3, "calling_ae_title", "Calling AE title not recognized")
IDENTITY: Final = Rejection(1, 2, 1, "identity", "User identity not verified")
"""PS3.7 D.3.3.7: for good, by the ACSE, without a reason."""
IDENTITY_UNKNOWN_NOW: Final = Rejection(
    2, 2, 1, "identity_unknown_now", "User identity cannot be verified now"
)
VERSION: Final = Rejection(1, 2, 2, "version", "Protocol version not supported")
LOCAL_LIMIT: Final = Rejection(2, 3, 2, "limit", "Local limit exceeded")


class Admission:
    """The origins and ourselves, by called AE title, and who may come to which."""

    def __init__(
        self, ae_title: str, origins: Iterable[Origin], callers: Callers, everywhere: str | None = None
    ) -> None:
        """Prepare.

        Args:
            ae_title: ours.
            origins: all.
            callers: who may.
            everywhere: the AE title of all origins as one, if they have one.
        """
        self._called: dict[str, Origin | None] = {}
        for title, its in _by_ae_title(origins).items():
            # An inbox may stand in the place of a PACS. Of a PACS that is configured several times nobody
            # knows which is meant.
            chosen = [origin for origin in its if not isinstance(origin, DimseOrigin)] or its
            if len(chosen) == 1:
                self._called[title] = chosen[0]
            else:
                log.warning("several origins have an AE title, so that it cannot be called", ae_title=title)
        if everywhere is not None:
            self._called[everywhere] = AllOrigins(ae_title=everywhere)
        self._called[ae_title] = None
        self._callers = callers

    def decide(self, calling: Calling) -> Origin | Rejection | None:
        """Give the origin that is called, None where we ourselves are, or why not.

        Whom user identity could let in anywhere is not sent away yet, whatever he calls (`NOWHERE`, where
        there is nothing): by whom he is turned away he would learn what there is. Nor is an origin that calls
        ourselves: what may take time to find out is for `confirm`.
        """
        if not calling.calling_ae_title:
            return CALLING_AE_TITLE
        principal, title = principal_of(calling), calling.called_ae_title
        if self._callers.may_become(principal):
            return self._called.get(title, NOWHERE)
        if title not in self._called:
            return self._rejection(principal)
        origin = self._called[title]
        is_pacs = bool(self._callers.pacs_of(calling.calling_ae_title))
        if (origin is None and is_pacs) or self._callers.may_associate(principal, origin):
            return origin
        return self._rejection(principal)

    def confirm(self, principal: Principal, origin: Origin | None) -> Rejection | None:
        """Tell why somebody is rejected of whom all is known now; None where he is not."""
        if origin is not NOWHERE and self._callers.may_associate(principal, origin):
            return None
        return self._rejection(principal)

    def _rejection(self, principal: Principal) -> Rejection:
        """Tell who may do something here that it is not there, and anybody else the same of all there is."""
        return CALLED_AE_TITLE if self._callers.may_associate(principal, None) else CALLING_AE_TITLE


def _by_ae_title(origins: Iterable[Origin]) -> dict[str, list[Origin]]:
    found: dict[str, list[Origin]] = {}
    for origin in origins:
        found.setdefault(origin.ae_title, []).append(origin)
    return found
