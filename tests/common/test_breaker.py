"""An origin that is away is asked twice in four seconds, not a hundred times."""

import pytest
import structlog.testing

from isthmus.common import breaker
from isthmus.common.breaker import FAILURES, KNOWN_SECONDS, TRIAL_SECONDS, Breaker
from isthmus.common.errors import (
    AssociationRejected,
    CircuitOpen,
    NoAcceptedContext,
    OriginTimeout,
    OriginUnreachable,
)
from isthmus.common.telemetry import metrics, metrics_text
from tests.measured import measured

UNREACHABLE = OriginUnreachable("no connection", origin="pacs")
REJECTED = AssociationRejected("rejected", origin="pacs")
SILENT = OriginTimeout("silent", origin="pacs")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(breaker, "monotonic", made)
    return made


def opened() -> Breaker:
    made = Breaker("pacs")
    for error in (UNREACHABLE, REJECTED, SILENT):
        made.failed(error)
    return made


def test_it_opens_at_the_third_failure_in_a_row_and_says_the_last(clock: Clock) -> None:
    made = Breaker("pacs")
    for _ in range(FAILURES - 1):
        made.failed(UNREACHABLE)
        assert not made.admit()
    made.failed(SILENT)
    with pytest.raises(CircuitOpen, match=SILENT.title) as caught:
        made.admit()
    assert SILENT.detail in caught.value.detail


def test_a_success_between_failures_keeps_it_closed(clock: Clock) -> None:
    made = Breaker("pacs")
    for _ in range(3):
        made.failed(UNREACHABLE)
        made.failed(UNREACHABLE)
        made.succeeded()
    assert not made.admit()


def test_one_attempt_in_two_seconds_is_let_through(clock: Clock) -> None:
    made = opened()
    for _ in range(3):
        clock.now += TRIAL_SECONDS
        assert made.admit()
        with pytest.raises(CircuitOpen):
            made.admit()
        made.failed(UNREACHABLE)


def test_a_success_closes_it(clock: Clock) -> None:
    made = opened()
    clock.now += TRIAL_SECONDS
    assert made.admit()
    made.succeeded()
    assert not made.admit()


def test_an_origin_that_accepts_no_context_is_there(clock: Clock) -> None:
    made = opened()
    made.failed(NoAcceptedContext("nothing accepted", origin="pacs"))
    assert not made.admit()


def test_opening_and_closing_are_logged_once_each(clock: Clock) -> None:
    with structlog.testing.capture_logs() as logs:
        made = opened()
        made.failed(UNREACHABLE)
        made.succeeded()
        made.succeeded()
    assert [entry["event"] for entry in logs] == ["circuit opened", "circuit closed"]


def test_whether_it_is_open_is_a_gauge(clock: Clock) -> None:
    made = Breaker("gauged")
    for state in ("0.0", "1.0", "0.0"):
        assert f'isthmus_circuit_open{{dicom_origin="gauged"}} {state}' in metrics_text().decode()
        if state == "0.0":
            for _ in range(FAILURES):
                made.failed(UNREACHABLE)
        else:
            made.succeeded()


def test_a_circuit_is_told_as_open_only_while_somebody_tries(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "monotonic", clock)
    made = opened()
    for _ in range(2):
        clock.now += KNOWN_SECONDS - 1
        assert measured("isthmus_circuit_open", dicom_origin="pacs") == 1
        assert made.admit()
        made.failed(UNREACHABLE)
    clock.now += KNOWN_SECONDS + 1
    assert measured("isthmus_circuit_open", dicom_origin="pacs") is None
