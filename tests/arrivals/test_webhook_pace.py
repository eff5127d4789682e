"""How soon something is tried again."""

from isthmus.arrivals.webhooks.pace import Pace


def test_pauses_grow_up_to_the_longest_and_are_spread() -> None:
    pace = Pace(first=5, longest=900, jitter=lambda: 0.0)
    assert [pace.event(attempts) for attempts in (0, 1, 2, 3, 100_000)] == [5, 5, 10, 20, 900]
    assert Pace(first=5, jitter=lambda: 1.0).event(1) == 2.5
