"""How soon something is tried again, whatever a receiver says of it."""

from datetime import UTC, datetime

import pytest

from isthmus.arrivals.webhooks.pace import LONGEST_RETRY_AFTER, Pace, retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 01:01:00 +0100", 60.0),
        ("Thu, 01 Jan 2026 00:01:00 -0000", 60.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("9" * 400, LONGEST_RETRY_AFTER),
        ("Fri, 01 Jan 2027 00:00:00 GMT", LONGEST_RETRY_AFTER),
    ],
)
def test_what_a_receiver_asks_for_counts_up_to_a_day(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "-5",
        "1.5",
        "1, 2",
        "\u0663",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 2026 00:00:00 +9999999999999",
        "Mon, 01 Jan 0001 00:00:00 +9999",
        "Mon, 31 Dec 9999 23:59:59 -9999",
    ],
)
def test_what_says_nothing_is_no_time(value: str | None) -> None:
    assert retry_after(value, NOW) in {None, 0.0, LONGEST_RETRY_AFTER}


def test_pauses_grow_up_to_the_longest_and_are_spread() -> None:
    pace = Pace(first=5, longest=900, jitter=lambda: 0.0)
    assert [pace.event(attempts) for attempts in (0, 1, 2, 3, 100_000)] == [5, 5, 10, 20, 900]
    assert Pace(first=5, jitter=lambda: 1.0).event(1) == 2.5
