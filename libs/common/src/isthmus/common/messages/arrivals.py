"""What senders tell of a study beside its instances; in the stream EVENTS too, so that the order is one."""

from dataclasses import dataclass

from isthmus.common.messages.failure import Failure


@dataclass(frozen=True, slots=True)
class AssociationEnded:
    """An association over which instances of a study came is over: released, aborted or lost."""

    origin: str
    study: str
    association: str


@dataclass(frozen=True, slots=True)
class InstancesReported:
    """The sender named the instances of a study: MPPS (PS3.4 Annex F) or Instance Availability (Annex R)."""

    origin: str
    study: str
    report: str
    """SOP Instance UID of the MPPS or notification: a later one with it takes the earlier one's place."""
    instances: tuple[str, ...]
    """SOP Instance UIDs."""
    final: bool
    """Whether more may be named: an MPPS that is in progress is not final."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a study of an inbox, one of its series, or one instance."""

    origin: str
    study: str
    series: str | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of it."""

    instances: int
    """How many are gone; 0 where there was none."""
    failure: Failure | None = None
