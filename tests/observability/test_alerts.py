"""Each alert fires when it should, and not a little before; and has a page that says what to do."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from isthmus.common.telemetry.traffic import DISCONNECTED
from tests.observability import alert_cases, new_series_cases, origin_cases
from tests.observability.dashboards.sources import dashboards
from tests.observability.rules import ALERTS, SHIPPED, Case, Rule, Told, promtool, recordings, rules, tried

ROOT: Final = Path(__file__).parents[2]
CASES: Final[Sequence[Case]] = [*origin_cases.CASES, *alert_cases.CASES, *new_series_cases.CASES]
RUNBOOKS: Final = ROOT / "docs" / "runbooks"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_an_alert_fires_beyond_its_bound_and_not_before(rule: Rule, tmp_path: Path) -> None:
    cases = [case for case in CASES if case.alert == rule.name]
    assert {case.told is None for case in cases} == {True, False}, "on both sides"
    assert tried(cases, tmp_path) == ""


def test_another_bound_is_noticed(tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == "an instance is not merged after a minute"]
    earlier = replace(case, series=dict.fromkeys(case.series, "60+0x10"))
    assert "FAILED" in tried([earlier], tmp_path)
    otherwise = replace(case, told=Told({"isthmus_consumer": "arrivals"}, "something", "else"))
    assert "What arrives is told late" in tried([otherwise], tmp_path)


def test_the_rules_are_what_prometheus_takes() -> None:
    checked = promtool("check", "rules", "--lint-fatal", ALERTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_configuration_is_what_prometheus_takes(tmp_path: Path) -> None:
    key = tmp_path / "metrics_key"
    key.write_text("a key")
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(
        (SHIPPED / "prometheus.yml").read_text().replace("/run/secrets/metrics_key", str(key))
    )
    (tmp_path / "alerts.yaml").write_bytes(ALERTS.read_bytes())
    checked = promtool("check", "config", configuration)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules()) + len(recordings())} rules found" in checked.stdout


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_every_alert_has_a_page_that_says_what_to_do(rule: Rule) -> None:
    page = (ROOT / rule.annotations["runbook_url"]).read_text()
    assert page.startswith(f"# {rule.name}: ")
    headings = ["What it means", "How to see it", "Why", "What to do", "When it is over"]
    assert [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")] == headings
    assert len(page.splitlines()) <= 60, "one screen"


def test_there_is_no_page_without_an_alert() -> None:
    named = {Path(rule.annotations["runbook_url"]).name for rule in rules()}
    assert {page.name for page in RUNBOOKS.glob("*.md")} - named == {"README.md"}


def test_no_alert_tells_of_more_than_names_in_the_settings() -> None:
    told = "".join(text for rule in rules() for text in rule.annotations.values())
    assert "calling_ae" not in told
    assert {rule.severity for rule in rules()} == {"critical", "warning"}


def test_the_index_names_every_alert_with_its_page_and_how_bad_it_is() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    lines = {
        f"| [{rule.name}]({Path(rule.annotations['runbook_url']).name}) | {rule.severity} | "
        for rule in rules()
    }
    assert {line for line in lines if line not in index} == set()


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_names_panels_that_are_there(page: Path) -> None:
    titles = {one.title: {panel.title for panel in one.panels} for one in dashboards().values()}
    text = page.read_text().replace("\n", " ")
    for dashboard, quoted in re.findall(r'(Isthmus: \w+), ((?:"[^"]+"(?: and |, )?)+)', text):
        assert set(re.findall(r'"([^"]+)"', quoted)) <= titles[dashboard]


def test_clients_who_leave_are_known_by_the_words_that_services_use() -> None:
    text = ALERTS.read_text()
    for word in (DISCONNECTED, asyncio.CancelledError.__qualname__):
        assert text.count(f"|{word}") == 2
