"""The dashboards are what their sources say, and what Grafana takes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.observability.dashboards import FOLDER, files
from tests.observability.dashboards.sources import NAMES, Kind, dashboards
from tests.observability.exported import OF_PROMETHEUS
from tests.observability.promql import named
from tests.observability.rules import SHIPPED

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24
Model = Mapping[str, Any]


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> Model:
    """A dashboard, as Grafana reads it."""
    found: Model = json.loads((FOLDER / f"{request.param}.json").read_text())
    return found


def panels(model: Model) -> Iterator[Model]:
    """All but the headings."""
    return (panel for panel in model["panels"] if panel["type"] != "row")


def test_the_files_are_what_their_sources_say() -> None:
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == {
        path.name: text for path, text in files().items()
    }, "make docs writes them anew"


def test_every_panel_has_a_place_of_its_own(model: Model) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in model["panels"]:
        place = panel["gridPos"]
        squares = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & squares, panel["title"]
        assert max(x for x, _ in squares) < WIDTH, panel["title"]
        taken |= squares


def test_every_panel_has_a_number_a_title_and_words_of_its_own(model: Model) -> None:
    assert len({panel["id"] for panel in model["panels"]}) == len(model["panels"])
    for panel in panels(model):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_every_target_asks_prometheus_something(model: Model) -> None:
    for panel in panels(model):
        assert panel["datasource"] == SOURCE
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert target["datasource"] == SOURCE
            assert named(target["expr"]), panel["title"]
            assert target["range"] != target["instant"]


def test_what_is_grouped_by_is_in_the_legend() -> None:
    for dashboard in dashboards().values():
        for panel in dashboard.panels:
            for query in panel.queries:
                used = {part.split("}}")[0] for part in query.legend.split("{{")[1:]}
                labels = set().union(*named(query.expr).values())
                assert used <= labels | {"instance"}, panel.title
                assert used or len(panel.queries) > 1 or query.legend == "__auto" or " by (" not in query.expr


def test_rates_are_taken_over_what_grafana_finds_fitting() -> None:
    for dashboard in dashboards().values():
        for panel in dashboard.panels:
            for query in panel.queries:
                assert "rate(" not in query.expr or "[$__rate_interval]" in query.expr, panel.title


def test_what_has_an_answer_in_any_case_is_not_taken_to_show_that_a_system_was_driven() -> None:
    queries = [one for each in dashboards().values() for panel in each.panels for one in panel.queries]
    assert [one.expr for one in queries if one.driven and one.expr.endswith("or vector(0)")] == []


def test_what_is_shown_as_a_state_has_a_word_for_each() -> None:
    shown = [panel for one in dashboards().values() for panel in one.panels if panel.kind is Kind.STATES]
    assert shown
    assert [panel.title for panel in shown if panel.words.keys() != {"0", "1"}] == []


def test_variables_are_those_that_are_used(model: Model) -> None:
    variables = {variable["name"] for variable in model["templating"]["list"]}
    text = json.dumps(model["panels"])
    assert {
        name for name in ("datasource", "origin", "service") if f"${name}" in text or f"${{{name}}}" in text
    } == variables


def test_dashboards_lead_to_each_other_and_to_the_traces(model: Model) -> None:
    assert model["tags"] == ["isthmus"]
    to_others, to_traces = model["links"]
    assert (to_others["tags"], to_others["includeVars"], to_others["keepTime"]) == (["isthmus"], True, True)
    assert '"datasource":"jaeger"' in to_traces["url"]


def test_data_sources_are_those_of_the_containers() -> None:
    provisioned = yaml.safe_load((SHIPPED / "grafana/provisioning/datasources/datasources.yaml").read_text())
    services = yaml.safe_load((SHIPPED / "compose.yaml").read_text())["services"]
    hosts = {
        one["uid"]: one["url"].removeprefix("http://").split(":")[0] for one in provisioned["datasources"]
    }
    assert hosts == {"prometheus": "prometheus", "jaeger": "jaeger"}
    assert set(hosts.values()) <= services.keys()


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    provisioned = yaml.safe_load((SHIPPED / "grafana/provisioning/dashboards/dashboards.yaml").read_text())
    (provider,) = provisioned["providers"]
    grafana = yaml.safe_load((SHIPPED / "compose.yaml").read_text())["services"]["grafana"]
    mounted = {one["target"]: one["source"] for one in grafana["volumes"]}
    assert SHIPPED / mounted[provider["options"]["path"]] == FOLDER
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])
    assert (FOLDER / home.name).is_file()


def test_every_service_that_is_scraped_is_known_to_the_rules() -> None:
    scraped = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())["scrape_configs"]
    (ours,) = [job for job in scraped if job["job_name"] == "isthmus"]
    (names,) = [found["names"] for found in ours["dns_sd_configs"]]
    alerts = (SHIPPED / "alerts.yaml").read_text()
    assert {name for name in names if f'absent(up{{job="isthmus",service="{name}"}})' not in alerts} == set()
    assert len(names) == alerts.count("absent(")
    assert "up" in OF_PROMETHEUS
