"""What is measured of a retrieve job."""

import time
from enum import StrEnum

from isthmus.common.errors import OriginCancelled
from isthmus.common.retrieving.job import Job, Outcome
from isthmus.common.telemetry.attributes import DICOM_ORIGIN, ISTHMUS_LANE, ISTHMUS_OUTCOME
from isthmus.common.telemetry.instruments import retrieve_duration


class Ending(StrEnum):
    """How a job ended."""

    COMPLETE = "complete"
    """All that the origin lists is here, or was confirmed."""
    PARTIAL = "partial"
    CANCELLED = "cancelled"
    """Nobody waited for it any more."""
    FAILED = "failed"
    """Nothing is here."""


def record_end(job: Job, outcome: Outcome, *, completed: int, missing: int) -> None:
    """Record how long a job took, and how it ended.

    Args:
        job: which ends now.
        outcome: what stands against calling it whole.
        completed: how many instances it has.
        missing: how many lack.
    """
    if isinstance(outcome.failure, OriginCancelled):
        ending = Ending.CANCELLED
    elif outcome.failure is None and not missing:
        ending = Ending.COMPLETE
    else:
        ending = Ending.PARTIAL if completed else Ending.FAILED
    labels = {DICOM_ORIGIN: job.source.name, ISTHMUS_LANE: job.lane.value, ISTHMUS_OUTCOME: ending.value}
    retrieve_duration.record(max(0.0, time.time() - job.began), labels)
