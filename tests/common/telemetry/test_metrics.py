"""Instruments show up in Prometheus' text form."""

from isthmus.common.telemetry import counter, gauge, histogram, metrics_text


def test_each_kind_of_instrument_is_in_the_text() -> None:
    counter("test.stored", "{instance}", "Instances stored").add(3, {"origin": "pacs"})
    gauge("test.open", "{association}", "Open associations").add(2, {"origin": "pacs"})
    histogram("test.lasted", "s", "How long it took").record(0.3, {"origin": "pacs"})
    lines = metrics_text().decode().splitlines()
    assert 'test_stored_total{origin="pacs"} 3.0' in lines
    assert 'test_open{origin="pacs"} 2.0' in lines
    assert 'test_lasted_seconds_bucket{le="0.5",origin="pacs"} 1.0' in lines
    assert 'test_lasted_seconds_bucket{le="0.25",origin="pacs"} 0.0' in lines
