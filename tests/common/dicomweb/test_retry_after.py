"""How soon a server is asked again, whatever it says of it."""

from datetime import UTC, datetime

import pytest

from isthmus.common.dicomweb.retry_after import LONGEST, retry_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 01:01:00 +0100", 60.0),
        ("Thu, 01 Jan 2026 00:01:00 -0000", 60.0),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0.0),
        ("9" * 20, LONGEST),
        ("9" * 400, LONGEST),
        ("Fri, 01 Jan 2027 00:00:00 GMT", LONGEST),
    ],
)
def test_what_a_server_asks_for_counts_up_to_a_day(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value", [None, "", "soon", "-5", "1.5", "1, 2", "\u0663", "Fri, 99 Nov 2026 12:00:00 GMT"]
)
def test_what_says_nothing_is_no_time(value: str | None) -> None:
    assert retry_after(value, NOW) is None


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 2026 00:00:00 +9999999999999",
        "Mon, 01 Jan 0001 00:00:00 +9999",
        "Mon, 31 Dec 9999 23:59:59 -9999",
    ],
)
def test_a_date_that_cannot_be_is_no_time_or_the_nearest(value: str) -> None:
    assert retry_after(value, NOW) in {None, 0.0, LONGEST}
