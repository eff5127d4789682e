"""A real Prometheus beside a running system: what is shipped for it finds what it asks for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
import pydicom
import pytest

from tests.data_sets import identity, make_series, raw_datasets
from tests.observability.dashboards.sources import dashboards
from tests.observability.promql import filled_in
from tests.observability.rules import recordings, rules
from tests.observability.server import Prometheus
from tests.peers import Peer, eventually
from tests.peers.clients import storescu
from tests.system.conftest import FOR_THE_BUCKET
from tests.system.gateway import Gateway
from tests.system.multipart import PAYLOAD, payload, retrieve

SERVICES: Final = ("qido", "wado", "stow", "scp", "dimse-scu", "web-scu", "arrivals")
QUERIES: Final = [
    (f"{name}: {panel.title}: {query.legend}", filled_in(query.expr), query.driven)
    for name, dashboard in dashboards().items()
    for panel in dashboard.panels
    for query in panel.queries
]


def addresses(system: Gateway, name: str) -> list[str]:
    """Where the processes of a service have `/metrics`."""
    return [one.address for one in system.run_file.processes if one.name == name and one.address]


@pytest.fixture(scope="module")
def prometheus(inboxes: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It scrapes the third system; the key that it shows is not needed on loopback."""
    targets = {name: addresses(inboxes, name) for name in SERVICES}
    with Prometheus(tmp_path_factory.mktemp("prometheus"), targets) as server:
        yield server


@pytest.fixture(scope="module")
def driven(
    prometheus: Prometheus,
    inboxes: Gateway,
    inboxes_http: httpx2.Client,
    at_pacs: list[Path],
    pushed: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Prometheus:
    """Searches, retrieves twice, receives from a modality and by HTTP, and forwards into the bucket."""
    assert inboxes.json_of("echo", "pacs")["ok"] is True
    study = identity(at_pacs[0]).study_instance_uid
    assert inboxes_http.get("/aets/pacs/studies").status_code == 200
    for _ in range(2):
        assert retrieve(inboxes_http, "pacs", study) == (raw_datasets(at_pacs), True)
    files = make_series(tmp_path_factory.mktemp("driven"), 2, seed=71)
    pushed.extend(files)
    for file in files:
        ds = pydicom.dcmread(file)
        ds.StudyDescription = FOR_THE_BUCKET
        ds.save_as(file)
    sent = storescu(Peer("DAY", inboxes.scp.host, inboxes.scp.port), files)
    assert sent.code == 0, sent.log
    content = payload(file.read_bytes() for file in files)
    stored = inboxes_http.post("/aets/inbox/studies", content=content, headers={"Content-Type": PAYLOAD})
    assert stored.status_code == 200
    return prometheus


def test_every_process_is_scraped(prometheus: Prometheus, inboxes: Gateway) -> None:
    expected = sum(len(addresses(inboxes, name)) for name in SERVICES)
    assert expected == len(SERVICES) + 1, "two of arrivals"
    assert eventually(lambda: len(prometheus.query('up{job="isthmus"} == 1')) == expected), (
        prometheus.targets()
    )


@pytest.mark.parametrize(("where", "query", "has_answer"), QUERIES, ids=[where for where, _, _ in QUERIES])
def test_every_query_of_a_dashboard_is_answered(
    driven: Prometheus, where: str, query: str, has_answer: bool
) -> None:
    assert eventually(lambda: driven.has_answered(query) or not has_answer), where


def test_every_variable_of_a_dashboard_has_values(driven: Prometheus) -> None:
    jobs = 'isthmus_queue_length{isthmus_queue="retrieve"}'
    assert eventually(lambda: {"pacs"} <= values(driven, jobs, "dicom_origin"))
    assert eventually(lambda: values(driven, 'up{job="isthmus"}', "service") == set(SERVICES))
    asked = {query for one in dashboards().values() for query in one.variables.values()}
    assert asked == {
        f"label_values({jobs}, dicom_origin)",
        'label_values(up{job="isthmus"}, service)',
    }


def values(prometheus: Prometheus, metric: str, label: str) -> set[str]:
    """What Grafana would let the reader choose from."""
    return {labels[label] for labels in prometheus.query(metric) if label in labels}


def test_every_rule_is_evaluated(driven: Prometheus) -> None:
    def looked_at() -> bool:
        return all(rule["health"] == "ok" for rule in driven.rules())

    assert eventually(looked_at), [rule.get("lastError") for rule in driven.rules()]
    assert [rule["name"] for rule in driven.rules()] == [
        *(one.name for one in recordings()),
        *(one.name for one in rules()),
    ]


def test_no_service_of_a_system_that_runs_is_taken_for_away(driven: Prometheus) -> None:
    assert eventually(lambda: len(values(driven, 'up{job="isthmus"} == 1', "service")) == len(SERVICES))
    (rule,) = [rule for rule in driven.rules() if rule["name"] == "ServiceAway"]
    assert rule["state"] != "firing"
