"""What the lines of the table say."""

from bench.table import Section, below, delay, failed, longer, markdown, speed


def test_speed_is_compared_by_medians() -> None:
    row = speed("it", [2.0, 2.0, 90.0], [1.0, 1.0, 1.0], size=100_000_000, at_least=0.6, goal=0.9)

    assert (row.ours, row.bound, row.ratio) == ("50 MB/s (2.00 s)", "100 MB/s (1.00 s)", "0.50 x")
    assert row.wanted == ">= 0.6 (0.9)"
    assert row.met is False


def test_nothing_is_met_where_nothing_is_wanted() -> None:
    assert speed("it", [1.0], [1.0]).met is None


def test_a_delay_is_a_difference() -> None:
    assert delay("it", [0.150], [0.060], at_most=0.1).ratio == "+90.0 ms"
    assert delay("it", [0.150], [0.060], at_most=0.1).met
    assert not delay("it", [0.170], [0.060], at_most=0.1).met


def test_times_and_quantities_have_upper_bounds() -> None:
    assert longer("it", [1.2], [1.0], at_most=1.3).met
    assert not longer("it", [1.4], [1.0], at_most=1.3).met
    assert not below("it", 600, 512, "MB").met


def test_what_failed_is_in_the_table_and_not_met() -> None:
    table = markdown([Section("All", [failed("it", "broken off")], ["A note."])])

    assert "| it | failed: broken off |  |  |  | **no** |" in table
    assert "**All.** A note." in table
