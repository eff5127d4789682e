"""What is defined is exported under the name that is documented, and a number that is old is not told."""

import pytest

from isthmus.common.telemetry.metrics import (
    Kind,
    counter,
    definitions,
    gauge,
    histogram,
    metrics_text,
    up_down,
)


@pytest.fixture(autouse=True)
def _definitions_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is defined here is in no page and on no dashboard."""
    before = {one.name: one for one in definitions()}
    monkeypatch.setattr("isthmus.common.telemetry.metrics._definitions", before)


def lines() -> list[str]:
    return metrics_text().decode().splitlines()


def test_each_kind_of_instrument_is_in_the_text() -> None:
    counter("test.stored", "{instance}", "Instances stored").add(3, {"origin": "pacs"})
    up_down("test.open", "{association}", "Open associations").add(2, {"origin": "pacs"})
    gauge("test.held", "By", "What is held").set(7, {"origin": "pacs"})
    histogram("test.lasted", "s", "How long it took").record(0.3, {"origin": "pacs"})
    assert 'test_stored_total{origin="pacs"} 3.0' in lines()
    assert 'test_open{origin="pacs"} 2.0' in lines()
    assert 'test_held_bytes{origin="pacs"} 7.0' in lines()
    assert 'test_lasted_seconds_bucket{le="0.5",origin="pacs"} 1.0' in lines()
    assert 'test_lasted_seconds_bucket{le="0.25",origin="pacs"} 0.0' in lines()


@pytest.mark.parametrize(
    ("kind", "unit", "name"),
    [
        (Kind.COUNTER, "By", "test_named_counter_bytes_total"),
        (Kind.UP_DOWN, "{thing}", "test_named_up_down"),
        (Kind.GAUGE, "", "test_named_gauge"),
        (Kind.HISTOGRAM, "s", "test_named_histogram_seconds"),
    ],
)
def test_a_definition_knows_its_name_in_prometheus(kind: Kind, unit: str, name: str) -> None:
    its = f"test.named.{kind.name.lower()}"
    match kind:
        case Kind.COUNTER:
            counter(its, unit, "Some").add(1)
        case Kind.UP_DOWN:
            up_down(its, unit, "Some").add(1)
        case Kind.GAUGE:
            gauge(its, unit, "Some").set(1)
        case Kind.HISTOGRAM:
            histogram(its, unit, "Some").record(1)
    (defined,) = [one for one in definitions() if one.name == its]
    assert defined.prometheus == name
    suffix = "_count" if kind is Kind.HISTOGRAM else ""
    assert [line for line in lines() if line.startswith(f"{name}{suffix} ")] == [f"{name}{suffix} 1.0"]


def test_a_gauge_tells_what_was_seen_last() -> None:
    seen = gauge("test.last", "", "Something")
    seen.set(4, {"origin": "pacs"})
    seen.set(2, {"origin": "pacs"})
    for _ in range(2):  # whoever asks, and however often
        assert [line for line in lines() if line.startswith("test_last{")] == ['test_last{origin="pacs"} 2.0']


def test_a_gauge_tells_no_more_what_is_forgotten() -> None:
    seen = gauge("test.forgotten", "", "Something")
    seen.set(4, {"origin": "pacs"})
    seen.set(5, {"origin": "other"})
    seen.forget({"origin": "pacs"})
    seen.forget({"origin": "never there"})
    assert [line for line in lines() if line.startswith("test_forgotten{")] == [
        'test_forgotten{origin="other"} 5.0'
    ]


def test_a_gauge_that_tells_all_there_is_forgets_the_rest() -> None:
    seen = gauge("test.replaced", "", "Something")
    seen.set(4, {"origin": "pacs"})
    seen.replace([(5, {"origin": "other"})])
    assert [line for line in lines() if line.startswith("test_replaced{")] == [
        'test_replaced{origin="other"} 5.0'
    ]


def test_a_gauge_does_not_tell_what_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("isthmus.common.telemetry.metrics.monotonic", lambda: now)
    seen = gauge("test.aged", "", "Something")
    seen.set(4, {"origin": "pacs"}, lasts=10)
    seen.replace([(4, {"origin": "pacs"}), (5, {"origin": "other"})], lasts=10)
    now = 109.0
    assert 'test_aged{origin="pacs"} 4.0' in lines()
    now = 110.0
    assert [line for line in lines() if line.startswith("test_aged{")] == []
