"""What watches the system, by its own files: who is sent or asked something listens, in a network of both."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from isthmus.common.blobs.rights import SERVICES
from tests.compose.files import BASE, COMPOSE, ROOT, SEAWEEDFS, services
from tests.observability.rules import rules
from tests.observability.server import READY

FOLDER: Final = COMPOSE / "observability"
CONTAINERS: Final = services(BASE)
GRAFANA_PORT: Final = 3000
"""By itself, and so is the next."""
JAEGER_PORT: Final = 16686
PAGES: Final = [COMPOSE / ".env", *COMPOSE.rglob("*.md"), *(ROOT / "docs").rglob("*.md")]

Tree = dict[str, Any]
"""As YAML has it."""


def parsed(name: str) -> Tree:
    found: Tree = yaml.safe_load((FOLDER / name).read_text())
    return found


def listening(endpoint: str) -> int:
    """Give the port at which a program is told to listen beyond its container."""
    host, _, port = endpoint.partition(":")
    assert host == "0.0.0.0"
    return int(port)


def telemetry_port(configuration: Tree) -> int:
    """Give where the numbers of a collector itself are, of which Jaeger is one."""
    (reader,) = configuration["service"]["telemetry"]["metrics"]["readers"]
    exporter = reader["pull"]["exporter"]["prometheus"]
    return listening(f"{exporter['host']}:{exporter['port']}")


def job(name: str) -> Tree:
    """Give what Prometheus is told of a job."""
    found: list[Tree] = parsed("prometheus.yml")["scrape_configs"]
    return next(one for one in found if one["job_name"] == name)


def checked(name: str) -> object:
    """Give the address that tells an engine whether a container is well."""
    test = CONTAINERS[name].healthcheck["test"]
    assert isinstance(test, list)
    return test[-1]


def is_reached(one: str, other: str) -> bool:
    return bool({*CONTAINERS[one].networks} & {*CONTAINERS[other].networks})


@pytest.mark.parametrize("name", ["otel-collector.yaml", "jaeger.yaml"])
def test_what_a_pipeline_names_is_there_and_nothing_else(name: str) -> None:
    configuration = parsed(name)
    service = configuration["service"]
    for kind in ("receivers", "processors", "exporters"):
        named = {one for pipeline in service["pipelines"].values() for one in pipeline.get(kind, ())}
        assert named == configuration[kind].keys()
    assert {*service.get("extensions", ())} == configuration.get("extensions", {}).keys()


@pytest.mark.parametrize("name", ["collector", "jaeger", "prometheus"])
def test_each_is_told_to_read_the_file_that_is_mounted(name: str) -> None:
    one = CONTAINERS[name]
    places = {volume.target: volume.source for volume in one.volumes}
    (said,) = re.findall(r"--config(?:\.file=| )(\S+)", " ".join(one.command))
    files = {
        "collector": "./otel-collector.yaml",
        "jaeger": "./jaeger.yaml",
        "prometheus": "./prometheus.yml",
    }
    assert places[said] == files[name]


def test_services_send_to_where_the_collector_listens() -> None:
    port = listening(parsed("otel-collector.yaml")["receivers"]["otlp"]["protocols"]["http"]["endpoint"])
    named = {
        endpoint
        for page in PAGES
        for endpoint in re.findall(r"OTEL_EXPORTER_OTLP_ENDPOINT=(http://collector\S*)", page.read_text())
    }
    assert named == {f"http://collector:{port}"}
    assert all(is_reached(name, "collector") for name in SERVICES)


def test_the_collector_takes_traces_and_metrics_and_hands_traces_to_jaeger() -> None:
    collector, jaeger = parsed("otel-collector.yaml"), parsed("jaeger.yaml")
    port = listening(jaeger["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"])
    pipelines = collector["service"]["pipelines"]
    assert pipelines.keys() == {"traces", "metrics"}
    (to,) = pipelines["traces"]["exporters"]
    assert collector["exporters"][to]["endpoint"] == f"jaeger:{port}"
    assert is_reached("collector", "jaeger")


def test_the_collector_refuses_spans_before_its_container_has_no_memory() -> None:
    limiter = parsed("otel-collector.yaml")["processors"]["memory_limiter"]
    assert limiter["limit_mib"] < CONTAINERS["collector"].limits.megabytes
    assert (
        parsed("otel-collector.yaml")["service"]["pipelines"]["traces"]["processors"][0] == "memory_limiter"
    )


def test_jaeger_shows_what_it_keeps_and_says_that_it_is_well() -> None:
    configuration = parsed("jaeger.yaml")
    extensions = configuration["extensions"]
    (kept,) = extensions["jaeger_storage"]["backends"]
    assert extensions["jaeger_query"]["storage"]["traces"] == kept
    assert configuration["exporters"]["jaeger_storage_exporter"]["trace_storage"] == kept
    assert checked("jaeger") == f"http://{extensions['healthcheckv2']['http']['endpoint']}/status"


def test_prometheus_asks_every_replica_of_ours_and_calls_its_service_by_name() -> None:
    ours = job("isthmus")
    (found,) = ours["dns_sd_configs"]
    assert found["type"] == "A"
    assert sorted(found["names"]) == sorted(SERVICES)
    for name in SERVICES:
        assert CONTAINERS[name].environment["ISTHMUS_HTTP__LISTEN"] == f"0.0.0.0:{found['port']}"
        # In two networks of both each process would be found twice.
        assert len({*CONTAINERS["prometheus"].networks} & {*CONTAINERS[name].networks}) == 1
    assert ours["relabel_configs"] == [{"source_labels": ["__meta_dns_name"], "target_label": "service"}]


def test_prometheus_shows_the_key_and_knows_the_rules_that_are_mounted() -> None:
    configuration, one = parsed("prometheus.yml"), CONTAINERS["prometheus"]
    key = Path(job("isthmus")["authorization"]["credentials_file"])
    places = {volume.target: volume.source for volume in one.volumes}
    assert (places[str(key.parent)], key.name) == ("secrets-prometheus", "metrics_key")
    assert [places[f"/etc/prometheus/{file}"] for file in configuration["rule_files"]] == ["./alerts.yaml"]


def watched() -> Iterator[tuple[str, str]]:
    """Give whoever watches, as Prometheus is to ask him, and where he listens."""
    yield "collector", f"collector:{telemetry_port(parsed('otel-collector.yaml'))}"
    yield "jaeger", f"jaeger:{telemetry_port(parsed('jaeger.yaml'))}"
    yield "prometheus", "localhost:9090"
    yield "grafana", f"grafana:{GRAFANA_PORT}"


def test_prometheus_asks_whoever_watches() -> None:
    told = job("observability")["static_configs"]
    asked = {one["labels"]["service"]: one["targets"] for one in told}
    assert asked == {name: [target] for name, target in watched()}
    assert all(is_reached("prometheus", name) for name in asked)


def test_prometheus_asks_s3_how_full_its_disk_is() -> None:
    """MinIO's numbers are where its objects are, and SeaweedFS's beside them."""
    minio, seaweedfs = (one["targets"] for one in job("s3")["static_configs"])
    assert f"--address :{minio[0].removeprefix('s3:')}" in " ".join(CONTAINERS["s3"].command)
    assert CONTAINERS["s3"].environment["MINIO_PROMETHEUS_AUTH_TYPE"] == "public"
    command = services(BASE, SEAWEEDFS)["s3"].command
    assert f"-metricsPort={seaweedfs[0].removeprefix('s3:')}" in command
    assert "-metricsIp=0.0.0.0" in command
    assert is_reached("prometheus", "s3")


def test_grafana_asks_prometheus_and_jaeger() -> None:
    sources = parsed("grafana/provisioning/datasources/datasources.yaml")["datasources"]
    urls: Mapping[str, str] = {one["uid"]: one["url"] for one in sources}
    assert urls == {"prometheus": "http://prometheus:9090", "jaeger": f"http://jaeger:{JAEGER_PORT}"}
    assert all(is_reached("grafana", name) for name in urls)


def test_prometheus_and_grafana_are_asked_where_they_listen() -> None:
    assert checked("prometheus") == f"http://127.0.0.1:9090{READY}"
    assert checked("grafana") == f"http://127.0.0.1:{GRAFANA_PORT}/api/health"


@pytest.mark.parametrize(
    ("name", "port"), [("prometheus", 9090), ("grafana", GRAFANA_PORT), ("jaeger", JAEGER_PORT)]
)
def test_people_reach_it_where_it_listens(name: str, port: int) -> None:
    (published,) = CONTAINERS[name].ports
    assert published.rpartition(":")[2] == str(port)


def test_alerts_ask_for_jobs_that_there_are() -> None:
    jobs = {one["job_name"] for one in parsed("prometheus.yml")["scrape_configs"]}
    named = {job for rule in rules() for job in re.findall(r'job="(\w+)"', rule.expression)}
    assert named == jobs
