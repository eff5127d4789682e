"""A PACS that does to us what real ones do, in a process of its own, and tells what it sees."""

from tests.pacs.behaviours import (
    AbortsAfter,
    Behaviour,
    FailsSuboperations,
    FindFails,
    IgnoresMatchingKeys,
    RefusesAssociation,
    SendsTwice,
    Silent,
    Slow,
    StoreStatus,
    SuccessWithNothingSent,
)
from tests.pacs.events import Event, Kind, Operation
from tests.pacs.faulty import FaultyPacs

__all__ = [
    "AbortsAfter",
    "Behaviour",
    "Event",
    "FailsSuboperations",
    "FaultyPacs",
    "FindFails",
    "IgnoresMatchingKeys",
    "Kind",
    "Operation",
    "RefusesAssociation",
    "SendsTwice",
    "Silent",
    "Slow",
    "StoreStatus",
    "SuccessWithNothingSent",
]
