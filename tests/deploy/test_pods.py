"""What every pod may do, and how one follows another: in each way in which the chart is used."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.rendering import COMPONENT, Manifest, Rendered, read, render

VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
COMPOSE = Path(__file__).parents[2] / "compose" / "compose.yaml"
SERVICES = ("qido", "wado", "stow", "scp", "dimse-scu", "web-scu", "arrivals")
GATEWAY_NEEDS = "NET_BIND_SERVICE"
"""A capability of the file of Caddy in its image: without it that cannot be executed."""


@pytest.fixture(params=[None, *VALUES], ids=["defaults", *(path.stem for path in VALUES)])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    path: Path | None = request.param
    return render(None if path is None else read(path))


def test_nobody_is_root_or_becomes_it(rendered: Rendered) -> None:
    for name, pod in rendered.pods().items():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["runAsUser"] >= 10_000, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
    for name, container in rendered.containers():
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, name
        assert security["capabilities"]["drop"] == ["ALL"], name
        assert security["capabilities"].get("add", []) == ([GATEWAY_NEEDS] if name == "gateway" else []), name
        assert not {"privileged", "runAsUser"} & security.keys(), name


def test_nobody_writes_beside_his_volumes(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        written = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
        assert written <= {"/tmp", "/data", "/config"}, name
    for name, pod in rendered.pods().items():
        unbounded = [
            one for one in pod["spec"]["volumes"] if "emptyDir" in one and "sizeLimit" not in one["emptyDir"]
        ]
        assert not unbounded, name
        assert not [one for one in pod["spec"]["volumes"] if "hostPath" in one], name


def test_nobody_is_known_to_kubernetes_or_shares_the_node(rendered: Rendered) -> None:
    for name, pod in rendered.pods().items():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["enableServiceLinks"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys(), name
        assert not [
            port for one in pod["spec"]["containers"] for port in one.get("ports", ()) if "hostPort" in port
        ]


def test_everybody_says_what_he_takes(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, name
        assert container["resources"]["limits"].keys() == {"memory"}, name


def test_whoever_serves_is_asked_whether_he_does(rendered: Rendered) -> None:
    for name, container in rendered.containers():
        if name in ("bucket", "operator"):  # nobody connects to these
            assert "ports" not in container
            continue
        assert container.keys() >= {"startupProbe", "livenessProbe", "readinessProbe"}, name
        ready, alive = container["readinessProbe"], container["livenessProbe"]
        assert how(alive) == how(container["startupProbe"])
        # NATS or S3 being away takes nobody out of the DNS: searches go on, the rest is answered with 503.
        assert how(alive) == how(ready)
        if name in SERVICES:
            assert alive["httpGet"]["path"] == "/healthz"
            assert alive["httpGet"]["port"] in {port["name"] for port in container["ports"]}
        # NATS or S3 being away is no reason to begin anew, and one slow answer is none either.
        assert alive["failureThreshold"] * alive.get("periodSeconds", 10) >= 60, name


def how(probe: Manifest) -> Manifest:
    """Give what is asked, without how often."""
    return {key: value for key, value in probe.items() if key in ("httpGet", "exec")}


@pytest.mark.parametrize("name", [*SERVICES, "gateway"])
def test_there_is_never_one_less_while_another_follows(rendered: Rendered, name: str) -> None:
    deployment = rendered.of_kind("Deployment")[name]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    budget = rendered.of_kind("PodDisruptionBudget")[name]["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == deployment["spec"]["selector"]
    spec = deployment["spec"]["template"]["spec"]
    lag = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    # The DNS is 5 s behind, and the gateway looks every 2 s; a service ends within 5.5 s.
    assert lag >= 7
    assert spec["terminationGracePeriodSeconds"] >= lag + 5.5
    spread = {one["topologyKey"] for one in spec["topologySpreadConstraints"]}
    assert spread == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


def test_of_each_there_are_two_by_default() -> None:
    rendered = render({"autoscaling": {"kind": "none"}})
    counts = {name: one["spec"]["replicas"] for name, one in rendered.of_kind("Deployment").items()}
    assert counts == {**dict.fromkeys((*SERVICES, "gateway"), 2), "operator": 1}


def test_other_settings_have_the_services_start_anew() -> None:
    first, second = (render({"config": f"[[access.rules]]\nkey = '{key}'\n"}).pods() for key in "ab")
    changed = {name for name in first if first[name]["metadata"] != second[name]["metadata"]}
    assert changed == {*SERVICES, "operator"}


def test_all_own_parts_are_of_one_image() -> None:
    image = {"repository": "registry.example.org/isthmus", "tag": "1.2.3"}
    images = {name: one["image"] for name, one in render({"image": image}).containers()}
    own = (*SERVICES, "bucket", "operator")
    assert {images[name] for name in own} == {"registry.example.org/isthmus:1.2.3"}
    pinned = render(read(Path(__file__).parent / "values" / "everything.yaml"))
    assert pinned.container("wado")["image"].startswith("registry.example.org/isthmus@sha256:")


def test_the_images_of_others_are_those_of_compose() -> None:
    composed = {**in_compose(COMPOSE), "s3": in_compose(COMPOSE.with_name("compose.seaweedfs.yaml"))["s3"]}
    for name in ("gateway", "nats", "s3"):
        image = render().container(name)["image"].removeprefix("docker.io/").removeprefix("library/")
        assert image == composed[name]["image"]


def test_the_store_is_run_as_in_compose() -> None:
    here, there = render().container("s3"), in_compose(COMPOSE.with_name("compose.seaweedfs.yaml"))["s3"]
    assert here["command"] == [*there["entrypoint"], *there["command"]]
    assert {one["name"]: one["value"] for one in here["env"]} == there["environment"]
    assert here["workingDir"] == there["working_dir"]


def in_compose(path: Path) -> Manifest:
    services: Manifest = yaml.safe_load(path.read_text())["services"]
    return services


def test_each_service_may_take_as_much_memory_as_in_compose() -> None:
    composed = in_compose(COMPOSE)
    for name in (*SERVICES, "gateway", "nats", "s3"):
        there = composed[name]["deploy"]["resources"]["limits"]["memory"]
        here = render().container(name)["resources"]["limits"]["memory"]
        assert here.removesuffix("i").lower() == there, name


def test_clients_of_scp_keep_their_addresses() -> None:
    for kind in ("LoadBalancer", "NodePort"):
        service = render({"scp": {"type": kind}}).of_kind("Service")["dicom"]["spec"]
        assert (service["type"], service["externalTrafficPolicy"]) == (kind, "Local")
    inner = render({"scp": {"type": "ClusterIP"}}).of_kind("Service")["dicom"]["spec"]
    assert "externalTrafficPolicy" not in inner
    named = render({"pacs": {"cidrs": ["10.1.0.0/16"]}}).of_kind("Service")["dicom"]["spec"]
    assert named["loadBalancerSourceRanges"] == ["10.1.0.0/16"]


def test_the_faces_are_looked_up_each_replica_by_itself() -> None:
    rendered = render()
    environment = {one["name"]: one.get("value") for one in rendered.container("gateway")["env"]}
    assert environment["GATEWAY_FACES"] == "names"
    for name in ("qido", "wado", "stow"):
        host, port = str(environment[f"{name.upper()}_UPSTREAMS"]).split()
        service = rendered.of_kind("Service")[host.removeprefix("isthmus-")]["spec"]
        assert service["clusterIP"] == "None"
        assert (
            int(port) == service["ports"][0]["port"] == rendered.container(name)["ports"][0]["containerPort"]
        )


def scaled(kind: str) -> tuple[Rendered, Manifest]:
    values = {"autoscaling": {"kind": kind, "services": {"dimse-scu": {"origins": "pacs|archive", "max": 6}}}}
    rendered = render(values)
    made = {**rendered.of_kind("HorizontalPodAutoscaler"), **rendered.of_kind("ScaledObject")}
    assert made.keys() == ({"wado", "dimse-scu"} if kind != "none" else set())
    for name, deployment in rendered.of_kind("Deployment").items():
        # Who is scaled is not set back by an upgrade.
        assert ("replicas" in deployment["spec"]) is (name not in made), name
    return rendered, made


@pytest.mark.parametrize("kind", ["none", "cpu", "keda"])
def test_nobody_says_how_many_there_are_of_who_is_scaled(kind: str) -> None:
    scaled(kind)


def test_by_the_processor_alone_where_keda_is_not_there() -> None:
    _, made = scaled("cpu")
    spec = made["dimse-scu"]["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "isthmus-dimse-scu",
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert spec["metrics"][0]["resource"] == {
        "name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 70},
    }


def test_keda_asks_for_the_queues_that_a_service_works_on() -> None:
    _, made = scaled("keda")
    assert not [one for one in made.values() if one["kind"] != "ScaledObject"]
    by_queue, by_processor = made["dimse-scu"]["spec"]["triggers"]
    query = by_queue["metadata"]["query"]
    assert 'isthmus_queue=~"retrieve|store"' in query
    assert 'dicom_origin=~"pacs|archive"' in query
    assert 'namespace="imaging"' in query
    assert by_queue["metadata"]["ignoreNullValues"] == "false"
    assert by_processor["type"] == "cpu"
    assert 'isthmus_lane=~"interactive"' in made["wado"]["spec"]["triggers"][0]["metadata"]["query"]


def test_prometheus_reads_the_numbers_with_its_own_key_and_has_the_rules_of_compose() -> None:
    rendered = render({"monitoring": {"enabled": True, "labels": {"release": "prometheus"}}})
    monitor, of_s3 = (one for one in rendered.manifests if one["kind"] == "ServiceMonitor")
    (rules,) = (one for one in rendered.manifests if one["kind"] == "PrometheusRule")
    credentials = monitor["spec"]["endpoints"][0]["authorization"]["credentials"]
    assert rendered.secret(credentials["name"].removeprefix("isthmus-")).keys() == {credentials["key"]}
    composed = yaml.safe_load((COMPOSE.parent / "observability" / "alerts.yaml").read_text())
    assert rules["spec"] == composed
    assert all(one["metadata"]["labels"]["release"] == "prometheus" for one in (monitor, of_s3, rules))
    assert not [one for one in render().manifests if "coreos" in one["apiVersion"]]


def test_an_alert_names_its_page_where_it_can_be_read() -> None:
    rendered = render({"monitoring": {"enabled": True, "runbooks": "https://pages.example.org/"}})
    (made,) = (one for one in rendered.manifests if one["kind"] == "PrometheusRule")
    (alert,) = (one for one in made["spec"]["groups"][0]["rules"] if one.get("alert") == "PacsDown")
    assert alert["annotations"]["runbook_url"] == "https://pages.example.org/pacs-down.md"


def test_prometheus_finds_the_services_and_knows_them_by_the_labels_of_the_rules() -> None:
    rendered = render({"monitoring": {"enabled": True}})
    monitor, of_s3 = (one["spec"] for one in rendered.manifests if one["kind"] == "ServiceMonitor")
    (among,) = monitor["selector"]["matchExpressions"]
    of_ours = {name for name in scraped(rendered, monitor) if name in among["values"]}
    assert of_ours == {*SERVICES} == {*among["values"]}
    assert scraped(rendered, of_s3) == {"s3"}
    part = "__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", COMPONENT)
    assert [one["endpoints"][0]["relabelings"] for one in (monitor, of_s3)] == [
        [
            {"targetLabel": "job", "replacement": "isthmus"},
            {"sourceLabels": [part], "targetLabel": "service"},
        ],
        [{"targetLabel": "job", "replacement": "s3"}, {"targetLabel": "service", "replacement": "s3"}],
    ]


def scraped(rendered: Rendered, monitor: Manifest) -> set[str]:
    """Give the Services of which Prometheus asks a port, by their labels."""
    (endpoint,) = monitor["endpoints"]
    return {
        name
        for name, service in rendered.of_kind("Service").items()
        if monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        and endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    }


def test_of_a_store_of_ones_own_prometheus_is_told_by_whom_it_is() -> None:
    values = read(Path(__file__).parent / "values" / "external.yaml")
    rendered = render({**values, "monitoring": {"enabled": True}})
    assert len([one for one in rendered.manifests if one["kind"] == "ServiceMonitor"]) == 1


def test_the_ingress_ends_tls_and_leads_to_the_gateway() -> None:
    rendered = render(read(Path(__file__).parent / "values" / "ingress.yaml"))
    ingress = rendered.of_kind("Ingress")["gateway"]["spec"]
    assert ingress["tls"] == [{"hosts": ["isthmus.example.org"], "secretName": "isthmus-example-org"}]
    backend = ingress["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = rendered.of_kind("Service")[backend["name"].removeprefix("isthmus-")]["spec"]
    assert backend["port"]["name"] in {port["name"] for port in service["ports"]}
    assert "ISTHMUS_GATEWAY__URL" in json.dumps(rendered.container("qido"))
    assert "https://isthmus.example.org" in rendered.notes


def test_the_notes_say_what_cannot_be_reached_yet() -> None:
    assert "pacs.cidrs is empty" in render().notes
    assert "pacs.cidrs" not in render({"pacs": {"cidrs": ["10.1.0.0/16"]}}).notes
