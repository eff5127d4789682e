"""What dashboards and alerts name is what the system exports."""

import pytest

from isthmus.common.telemetry.metrics import definitions
from tests.observability.exported import (
    OF_OTHERS,
    OF_PROMETHEUS,
    SELDOM,
    check,
    defined,
    lacking,
    named_metrics,
    told,
)
from tests.observability.promql import named, named_by_variable
from tests.observability.rules import recordings, rules

NOT_SHOWN = frozenset({"isthmus_webhook_dead_letters_total"})
"""What the dead letters tell too, for the whole system."""


def test_every_metric_that_is_named_is_defined_with_the_labels_that_are_used() -> None:
    assert lacking(defined()) == []


def test_every_metric_is_shown_or_watched() -> None:
    shown = named_metrics().keys()
    parts = ("", "_bucket", "_count", "_sum")
    unseen = {
        one.prometheus
        for one in definitions()
        if not any(f"{one.prometheus}{part}" in shown for part in parts)
    }
    assert unseen == NOT_SHOWN


def test_a_metric_that_nobody_exports_is_missed() -> None:
    there = dict(defined())
    del there["isthmus_queue_length"]
    assert lacking(there) == ["isthmus_queue_length: there is none"]


def test_a_label_that_nobody_exports_is_missed() -> None:
    there = {**defined(), "isthmus_origin_up": frozenset({"origin"})}
    assert lacking(there) == ["isthmus_origin_up: has no dicom_origin"]


def test_what_a_process_says_is_read() -> None:
    text = (
        "# TYPE isthmus_origin_up gauge\n"
        'isthmus_origin_up{dicom_origin="pacs"} 1.0\n'
        "# TYPE isthmus_queue_length gauge\n"
        'isthmus_queue_length{isthmus_queue="store"} 0.0\n'
        "# TYPE isthmus_queue_length gauge\n"
        'isthmus_queue_length{isthmus_queue="retrieve",dicom_origin="pacs",isthmus_lane="bulk"} 0.0\n'
    )
    complaints = check(told(text))
    assert "isthmus_queue_length: has no isthmus_consumer, isthmus_webhook" in complaints
    assert "isthmus_store_instances_total: there is none" in complaints
    assert not [complaint for complaint in complaints if complaint.startswith("isthmus_origin_up")]


def test_what_there_is_seldom_may_lack_in_a_system_but_is_defined() -> None:
    assert SELDOM.keys() <= named_metrics().keys() & defined().keys()
    assert not [complaint for complaint in check({}) if complaint.partition(":")[0] in SELDOM]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("a", {"a": set()}),
        ('sum by (x) (rate(a{y="1"}[$__rate_interval])) or vector(0)', {"a": {"x", "y"}}),
        ("histogram_quantile(0.9, sum by (x, le) (rate(a_bucket[5m])))", {"a_bucket": {"x", "le"}}),
        ("histogram_quantile(0.9, a_bucket)", {"a_bucket": {"le"}}),
        ("a / on (x) b > 1 and c offset 5m", {"a": {"x"}, "b": {"x"}, "c": set()}),
        ("sum without (x) (a)", {"a": set()}),
        ("a / ignoring (x) b", {"a": set(), "b": set()}),
        ("max_over_time(a[1h:5m]) - -b", {"a": set(), "b": set()}),
        ('topk(3, a{x=~"$origin"})', {"a": {"x"}}),
        ('absent(a{x="1"}) or (a == 0)', {"a": {"x"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_metrics_of_a_query_are_found(expression: str, found: dict[str, set[str]]) -> None:
    assert named(expression) == found


def test_the_metric_of_a_variable_is_found() -> None:
    assert named_by_variable('label_values(up{job="isthmus"}, service)') == {"up": {"job", "service"}}


@pytest.mark.parametrize("expression", ["sum(a", "a{b}", "rate(a)", "a[5m] +", "nosuch(a)"])
def test_what_is_no_promql_is_an_error(expression: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        named(expression)


def test_rules_name_what_others_make_with_their_labels() -> None:
    theirs = {**OF_PROMETHEUS, **OF_OTHERS}
    seen = set()
    for expression in (one.expression for some in (rules(), recordings()) for one in some):
        for name, labels in named(expression).items():
            assert labels <= theirs.get(name, labels), expression
            seen.add(name)
    assert seen >= OF_OTHERS.keys()
