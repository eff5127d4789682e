"""Who reaches whom: everything that the network policies let through, and nothing else."""

from collections.abc import Mapping
from pathlib import Path

from tests.deploy.reachable import Party, pods, reached
from tests.deploy.rendering import Manifest, complaint, read, render

OUTSIDE: Mapping[str, Party] = {
    "clients": Party(address="198.51.100.7", ports={"https": 443}),
    "pacs": Party(address="10.1.2.3", ports={"dicom": 104, "dicom-high": 11112, "ssh": 22}),
    "dns": Party(
        {"k8s-app": "kube-dns"}, "kube-system", ports={"dns-tcp": 53, "metrics": 9153}, udp={"dns": 53}
    ),
    "prometheus": Party({"app": "prometheus"}, "monitoring", ports={"http": 9090, "otlp": 4318}),
    "ingress": Party({"app": "nginx"}, "ingress-nginx"),
    "neighbour": Party({"app": "another"}, "imaging", ports={"http": 80}),
}
SERVICES = ("qido", "wado", "stow", "scp", "dimse-scu", "web-scu", "arrivals")
DNS = "dns:dns dns:dns-tcp"
BACKING = f"nats:nats s3:s3 {DNS}"
"""What every service reaches."""
WITHIN = f"""
gateway     qido:http wado:http stow:http {DNS}
qido        {BACKING}
wado        {BACKING}
stow        {BACKING}
scp         {BACKING}
dimse-scu   {BACKING}
web-scu     {BACKING}
arrivals    {BACKING}
bucket      s3:s3 {DNS}
operator    gateway:http {BACKING} {" ".join(f"{name}:http" for name in SERVICES)}
clients     gateway:http
pacs        gateway:http
dns         gateway:http
ingress     gateway:http
neighbour   gateway:http
prometheus  gateway:http s3:metrics {" ".join(f"{name}:http" for name in SERVICES)}
"""
"""Where nothing is said of the PACS: each line who, and what he reaches."""


def open_ways(values: Manifest, outside: Mapping[str, Party] = OUTSIDE) -> set[tuple[str, str]]:
    """Give what is open, but for what nobody here decides: between those outside."""
    rendered = render(values)
    ways = reached(rendered, {**pods(rendered), **outside})
    return {(who, what) for who, what in ways if who not in outside or what.partition(":")[0] not in outside}


def table(text: str) -> set[tuple[str, str]]:
    lines = [line.split() for line in text.strip().splitlines()]
    return {(who, what) for who, *reaches in lines for what in reaches}


def test_by_itself_nobody_reaches_a_pacs_and_no_pacs_reaches_scp() -> None:
    assert open_ways({}) == table(WITHIN)


def test_only_workers_and_scp_reach_the_network_of_the_pacs_and_it_reaches_scp() -> None:
    ways = open_ways({"pacs": {"cidrs": ["10.1.0.0/16"], "ports": [104, 11112]}})
    assert ways - table(WITHIN) == table("""
        scp         pacs:dicom pacs:dicom-high
        dimse-scu   pacs:dicom pacs:dicom-high
        web-scu     pacs:dicom pacs:dicom-high
        pacs        scp:dicom
    """)
    assert table(WITHIN) <= ways


def test_where_dimse_in_clear_is_closed_the_pacs_reaches_the_port_with_tls_alone() -> None:
    pacs = {"cidrs": ["10.1.0.0/16"], "ports": [104]}
    ways = open_ways({"pacs": pacs, "scp": {"clear": False, "tlsSecret": "scp-tls"}})
    assert {way for way in ways if way[0] == "pacs"} == table("pacs gateway:http scp:dicom-tls")


def test_the_operator_reaches_what_doctor_tries_where_that_is_said() -> None:
    pacs = {"cidrs": ["10.1.0.0/16"], "ports": [104]}
    cloud = {"egress": [{"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [{"port": 443}]}]}
    values = {"pacs": pacs, "scp": {"tlsSecret": "scp-tls"}, "services": {"web-scu": cloud, "qido": cloud}}
    further = open_ways({**values, "operator": {"reachesPacs": True}}) - open_ways(values)
    assert further == table("operator pacs:dicom scp:dicom scp:dicom-tls clients:https")


def test_where_clients_of_the_gateway_are_named_nobody_else_reaches_it() -> None:
    clients = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]
    ways = open_ways({"gateway": {"clients": clients}})
    assert {way for way in ways if way[1] == "gateway:http"} == table(
        "ingress gateway:http\noperator gateway:http"
    )
    assert ways < table(WITHIN)


def test_all_that_can_be_opened_is_opened_to_whom_it_is_for() -> None:
    values = read(Path(__file__).parent / "values" / "everything.yaml")
    ways = open_ways(values)
    assert ways - table(WITHIN) == table("""
        scp         pacs:dicom pacs:dicom-high prometheus:otlp
        dimse-scu   pacs:dicom pacs:dicom-high prometheus:otlp
        web-scu     pacs:dicom pacs:dicom-high prometheus:otlp
        qido        prometheus:otlp
        wado        prometheus:otlp
        stow        prometheus:otlp
        arrivals    prometheus:otlp
        pacs        scp:dicom scp:dicom-tls
    """)
    others = {"ai": Party(address="192.0.2.20", ports={"https": 443}), "subscriber": Party({}, "ai")}
    of_others = {way for way in open_ways(values, others) if way[0] in others or way[1].startswith("ai:")}
    assert of_others == table("""
        arrivals    ai:https
        subscriber  gateway:http nats:nats
        ai          gateway:http
    """)


def test_nats_and_s3_of_ones_own_are_reached_where_they_are() -> None:
    values = read(Path(__file__).parent / "values" / "external.yaml")
    theirs = {
        "bus": Party({}, "bus", ports={"nats": 4222}),
        "store": Party(address="192.0.2.10", ports={"https": 443}),
    }
    ways = {way for way in open_ways(values, theirs) if way[1].partition(":")[0] in theirs}
    assert ways == table("\n".join(f"{name} bus:nats store:https" for name in (*SERVICES, "operator")))


def test_whom_the_policies_would_shut_off_is_said_before() -> None:
    nats = {"enabled": False, "url": "nats://nats.bus:4222", "secrets": dict.fromkeys(SERVICES, "nats")}
    assert "nats.egress: is required" in complaint(lambda: render({"nats": nats}))
    telemetry = {"otlpEndpoint": "http://collector:4318"}
    assert "telemetry.egress: is required" in complaint(lambda: render({"telemetry": telemetry}))
    switched_off = {"nats": nats, "telemetry": telemetry, "networkPolicy": {"enabled": False}}
    assert not render(switched_off).of_kind("NetworkPolicy")
