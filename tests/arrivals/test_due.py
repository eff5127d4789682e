"""When a study has arrived, by its record alone."""

from dataclasses import replace

import pytest

from isthmus.arrivals.due import Due, Later, Unfinished, Verdict, verdict
from isthmus.common.inbox.state import SILENT_SECONDS, Arrival, Phase, StudyState
from isthmus.common.messages.events import Reason

QUIET = 30.0
STATE = StudyState("inbox", "1.2", contents="contents/inbox/1.2/aa", instances=2)
ARRIVAL = Arrival(last_stored=1000.0)
REPORTED = replace(ARRIVAL, reports={"9.1": ()})


@pytest.mark.parametrize(
    ("arrival", "now", "expected"),
    [
        (ARRIVAL, 1029.9, Later(1030.0)),
        (ARRIVAL, 1030.0, Due(Reason.QUIET)),
        (replace(ARRIVAL, phase=Phase.SETTLED), 2000.0, None),
        (replace(ARRIVAL, phase=Phase.PUBLISHING), 1000.0, Unfinished()),
        (replace(ARRIVAL, associations={"a": 1000.0}), 1040.0, Later(1000.0 + SILENT_SECONDS)),
        (replace(ARRIVAL, associations={"a": 900.0, "b": 1000.0}), 1040.0, Later(1000.0 + SILENT_SECONDS)),
        (replace(ARRIVAL, associations={"a": 1000.0}), 1000.0 + SILENT_SECONDS, Due(Reason.QUIET)),
        (REPORTED, 1000.0, Due(Reason.REPORTED)),
        (replace(REPORTED, associations={"a": 1000.0}), 1000.0, Due(Reason.REPORTED)),
        (replace(REPORTED, unfinished_reports=("9.1",)), 1000.0, Later(1030.0)),
        (replace(REPORTED, unfinished_reports=("9.1",)), 1030.0, Due(Reason.QUIET)),
        (replace(ARRIVAL, reports={"9.1": ("1.2.3",)}), 1030.0, Due(Reason.QUIET)),
        (replace(ARRIVAL, reports={"9.1": (), "9.2": ("1.2.3",)}), 1000.0, Later(1030.0)),
        # What no report named may be a part of something: it has arrived when it is quiet.
        (replace(REPORTED, unnamed=1), 1000.0, Later(1030.0)),
        (replace(REPORTED, unnamed=1), 1030.0, Due(Reason.QUIET)),
        (replace(REPORTED, unnamed=1, revision=1), 1030.0, Due(Reason.QUIET)),
        # Of amendments there is one in each quiet time, whatever was reported.
        (replace(REPORTED, revision=1), 1000.0, Later(1030.0)),
        (replace(REPORTED, revision=1), 1030.0, Due(Reason.REPORTED)),
    ],
)
def test_verdict(arrival: Arrival, now: float, expected: Verdict) -> None:
    assert verdict(replace(STATE, arrival=arrival), now, QUIET) == expected


def test_a_study_without_instances_does_not_arrive() -> None:
    state = StudyState("inbox", "1.2", arrival=replace(REPORTED, ended=("a",)))
    assert verdict(state, 5000.0, QUIET) is None
