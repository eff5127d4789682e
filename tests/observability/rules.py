"""The alert rules, as they are shipped, and promtool, which tries them."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SHIPPED: Final = Path(__file__).parents[2] / "compose" / "observability"
ALERTS: Final = SHIPPED / "alerts.yaml"


@dataclass(frozen=True)
class Rule:
    """An alert."""

    name: str
    expression: str
    severity: str
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Recording:
    """What Prometheus works out of other metrics, for the alerts; it has their labels."""

    name: str
    expression: str


@dataclass(frozen=True)
class Told:
    """What somebody reads of an alert that fires."""

    labels: Mapping[str, str]
    """Beside its name and its severity."""
    summary: str
    description: str


@dataclass(frozen=True)
class Case:
    """What Prometheus has seen, and which alert there is of it."""

    name: str
    alert: str
    series: Mapping[str, str]
    """By promtool's notation, a value a minute: `0+2x10` begins with 0 and adds 2 ten times."""
    at: str
    """When it is asked for, from the first value on."""
    told: Told | None = None
    """None: the alert does not fire."""


def rules() -> Sequence[Rule]:
    """Give the alerts in the order of the file."""
    return [
        Rule(rule["alert"], rule["expr"], rule["labels"]["severity"], rule["annotations"])
        for rule in _all_rules()
        if "alert" in rule
    ]


def recordings() -> Sequence[Recording]:
    """Give what the alerts rest on, in the order of the file."""
    return [Recording(rule["record"], rule["expr"]) for rule in _all_rules() if "record" in rule]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end."""
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)


def tried(cases: Sequence[Case], directory: Path) -> str:
    """Have promtool try cases, and give what it says where something else happens; else nothing."""
    file = directory / "cases.json"  # which is YAML too
    tests = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": "1m",
        "tests": [_test(case) for case in cases],
    }
    file.write_text(json.dumps(tests))
    done = promtool("test", "rules", file)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _all_rules() -> Sequence[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def _test(case: Case) -> Mapping[str, object]:
    (rule,) = [rule for rule in rules() if rule.name == case.alert]
    expected = [] if case.told is None else [_expected(rule, case.told)]
    return {
        "name": case.name,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": rule.name, "exp_alerts": expected}],
    }


def _expected(rule: Rule, told: Told) -> Mapping[str, Mapping[str, str]]:
    return {
        "exp_labels": {"severity": rule.severity, **told.labels},
        "exp_annotations": {
            "summary": told.summary,
            "description": told.description,
            "runbook_url": rule.annotations["runbook_url"],
        },
    }
