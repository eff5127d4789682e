"""What a PACS may do to associations and connections."""

from dataclasses import dataclass, replace
from typing import Final

from tests.pacs.behaviour import DIMSE, RETRIEVES, Behaviour, BreaksOff, Transmission
from tests.pacs.events import Operation

ASSOCIATE: Final = frozenset({Operation.ASSOCIATE})


@dataclass(frozen=True, kw_only=True)
class Comments(Behaviour):
    """Says why an operation did not end with success."""

    operations = DIMSE
    comment: str

    def error_comment(self) -> str:
        return self.comment


@dataclass(frozen=True, kw_only=True)
class RefusesAssociation(Behaviour):
    """Rejects the association: transient, by the service user, no reason given (PS3.8 9.3.4)."""

    operations = ASSOCIATE
    beyond: int = 0
    """How many it allows at one time."""

    def refuses(self, open_now: int) -> bool:
        return open_now >= self.beyond


@dataclass(frozen=True, kw_only=True)
class QueuesAssociation(Behaviour):
    """Takes the connection, and never answers the A-ASSOCIATE-RQ."""

    operations = ASSOCIATE
    beyond: int = 0
    """How many it serves at one time."""

    def keeps_waiting(self, open_now: int) -> bool:
        return open_now >= self.beyond


@dataclass(frozen=True, kw_only=True)
class Silent(Behaviour):
    """Accepts the association and never answers an operation."""

    operations = DIMSE

    def answers(self, before: int) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class ForgetsAssociation(Behaviour):
    """Serves one operation, and leaves all later ones on that association without an answer: half-open."""

    operations = DIMSE

    def answers(self, before: int) -> bool:
        return before == 0


@dataclass(frozen=True, kw_only=True)
class DropsIdleAssociation(Behaviour):
    """Closes the connection after an operation, without A-RELEASE or A-ABORT."""

    operations = RETRIEVES | {Operation.FIND}

    def drops(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class AbortsAfter(Behaviour):
    """Aborts the association of a retrieve when it has sent so many instances."""

    operations = RETRIEVES
    instances: int
    reset: bool = False
    """Whether its connection is reset instead, as when a machine dies."""

    def on_progress(self, sent: int) -> None:
        if sent == self.instances:
            raise BreaksOff(reset=self.reset)


@dataclass(frozen=True, kw_only=True)
class BreaksOffInDataSet(Behaviour):
    """Aborts the association of a retrieve in the middle of a data set, after so many whole instances."""

    operations = RETRIEVES
    instances: int
    reset: bool = False
    """Whether its connection is reset instead, as when a machine dies."""

    def transmit(self, transmission: Transmission, number: int) -> Transmission:
        if number != self.instances:
            return transmission
        return replace(transmission, fragments=2, breaks_off=BreaksOff(reset=self.reset))
