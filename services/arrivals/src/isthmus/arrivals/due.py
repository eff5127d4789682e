"""When a study has arrived: what its record says, and until when it says nothing."""

from dataclasses import dataclass

from isthmus.common.inbox.state import SILENT_SECONDS, Arrival, Phase, StudyState
from isthmus.common.messages.events import Reason


@dataclass(frozen=True, slots=True)
class Later:
    """It is to be looked at again."""

    at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Due:
    """It is to be announced."""

    reason: Reason
    """What is known without asking anybody."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Its event is being published; whoever did it may be dead."""


Verdict = Later | Due | Unfinished | None


def verdict(state: StudyState, now: float, quiet_seconds: float) -> Verdict:
    """Tell what is to be done about a study; None if there is nothing to announce.

    Args:
        state: its record.
        now: seconds since 1970, by the clock of NATS.
        quiet_seconds: how long nothing of it may come.
    """
    arrival = state.arrival
    if arrival.phase is Phase.PUBLISHING:
        return Unfinished()
    if arrival.phase is Phase.SETTLED or state.contents is None:
        return None
    reported = all_reported(arrival)
    if reported and arrival.revision == 0:
        return Due(Reason.REPORTED)
    quiet_at = arrival.last_stored + quiet_seconds
    open_until = max(
        (heard + SILENT_SECONDS for heard in arrival.associations.values()), default=arrival.last_stored
    )
    if max(quiet_at, open_until) > now:
        return Later(max(quiet_at, open_until))
    return Due(Reason.REPORTED if reported else Reason.QUIET)


def all_reported(arrival: Arrival) -> bool:
    """Tell whether the sender named what there is to come, and all of that is here, and nothing else.

    What nobody named comes from somebody who does not report, and may be a part of what that one has.
    """
    is_final = bool(arrival.reports) and not arrival.unfinished_reports
    return is_final and arrival.unnamed == 0 and not any(arrival.reports.values())
