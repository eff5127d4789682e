"""What KEDA is told when it asks Prometheus how much waits."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.rendering import render
from tests.observability.exported import OF_THE_SCRAPE, defined
from tests.observability.promql import named
from tests.observability.rules import promtool

SERIES = {
    **{
        # Each replica of arrivals counts all queues.
        f'isthmus_queue_length{{namespace="imaging", instance="{replica}", {labels}}}': str(waiting)
        for replica in ("10.0.0.1:8000", "10.0.0.2:8000")
        for labels, waiting in {
            'isthmus_queue="retrieve", isthmus_lane="interactive", dicom_origin="pacs"': 3,
            'isthmus_queue="retrieve", isthmus_lane="bulk", dicom_origin="pacs"': 5,
            'isthmus_queue="store", dicom_origin="pacs"': 2,
            'isthmus_queue="forward", dicom_origin="pacs"': 40,
            'isthmus_queue="webhooks", isthmus_webhook="ai"': 80,
            'isthmus_queue="retrieve", isthmus_lane="interactive", dicom_origin="cloud"': 100,
        }.items()
    },
    'isthmus_queue_length{namespace="another", isthmus_queue="store", dicom_origin="pacs"}': "1000",
}
WAITING = {"dimse-scu": 10, "wado": 103}


@pytest.fixture(scope="module")
def queries() -> Mapping[str, str]:
    """By the service that is scaled by it."""
    scaling = {"kind": "keda", "services": {"dimse-scu": {"origins": "pacs|archive"}}}
    scaled = render({"autoscaling": scaling}).of_kind("ScaledObject")
    return {name: one["spec"]["triggers"][0]["metadata"]["query"] for name, one in scaled.items()}


def evaluated(query: str, series: Mapping[str, str], expected: int | None, folder: Path) -> str:
    """Have promtool hold a query against what it is to give, and give what it says where it is not so."""
    file = folder / "query.json"  # which is YAML too
    samples = [] if expected is None else [{"labels": "{}", "value": expected}]
    wanted = {"expr": query, "eval_time": "1m", "exp_samples": samples}
    one = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{value} {value}"} for name, value in series.items()],
        "promql_expr_test": [wanted],
    }
    file.write_text(json.dumps({"tests": [one]}))
    done = promtool("test", "rules", file)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("name", WAITING)
def test_jobs_are_counted_once_and_only_those_that_the_service_works_on(
    name: str, queries: Mapping[str, str], tmp_path: Path
) -> None:
    assert evaluated(queries[name], SERIES, WAITING[name], tmp_path) == ""
    assert "expr" in evaluated(queries[name], SERIES, WAITING[name] + 1, tmp_path)


@pytest.mark.parametrize("name", WAITING)
def test_where_nothing_is_told_nobody_knows_what_waits(
    name: str, queries: Mapping[str, str], tmp_path: Path
) -> None:
    assert evaluated(queries[name], {}, None, tmp_path) == ""
    assert evaluated(queries[name], dict.fromkeys(SERIES, "0"), 0, tmp_path) == ""


def test_what_is_asked_for_is_what_arrivals_exports(queries: Mapping[str, str]) -> None:
    for query in queries.values():
        for metric, labels in named(query).items():
            assert labels - OF_THE_SCRAPE - {"namespace"} <= defined()[metric]
