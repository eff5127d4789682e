"""Values that are wrong are refused, and named."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.rendering import CHART, complaint, read, render

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"servces": {}}, "additional properties 'servces' not allowed"),
    ({"services": {"wado": {"replica": 3}}}, "'/services/wado': additional properties 'replica' not allowed"),
    ({"nats": {"maxFile": "1.5Ti"}}, "'/nats/maxFile': '1.5Ti' does not match pattern"),
    (
        {"services": {"transfer": {"replicas": 1}}},
        "'/services': additional properties 'transfer' not allowed",
    ),
    ({"services": {"wado": {"replicas": 0}}}, "'/services/wado/replicas': minimum: got 0, want 1"),
    ({"services": {"wado": {"replicas": "2"}}}, "'/services/wado/replicas': got string, want integer"),
    ({"services": {"wado": {"secrets": ["A_B"]}}}, "'/services/wado/secrets/0': 'A_B' does not match"),
    ({"services": {"wado": {"resources": {"limits": {"memory": "much"}}}}}, "'much' does not match"),
    ({"image": {"digest": "sha256:1"}}, "'/image/digest': 'sha256:1' does not match"),
    ({"image": {"pullPolicy": "Sometimes"}}, "'/image/pullPolicy': value must be one of"),
    ({"gateway": {"image": "caddy"}}, "'/gateway/image': 'caddy' does not match"),
    ({"config": ""}, "'/config': minLength: got 0, want 1"),
    ({"config": {"scp": {}}}, "'/config': got object, want string"),
    ({"url": "isthmus.example.org"}, "'/url': 'isthmus.example.org' does not match"),
    ({"pacs": {"cidrs": ["10.1.0.0"]}}, "'/pacs/cidrs/0': '10.1.0.0' does not match"),
    ({"pacs": {"ports": [70000]}}, "'/pacs/ports/0': maximum: got 70,000, want 65,535"),
    (
        {"scp": {"type": "Loadbalancer"}},
        "'/scp/type': value must be one of 'LoadBalancer', 'NodePort', 'ClusterIP'",
    ),
    ({"autoscaling": {"kind": "hpa"}}, "'/autoscaling/kind': value must be one of 'none', 'cpu', 'keda'"),
    ({"autoscaling": {"services": {"wado": {"queues": 'x"}'}}}}, "'/autoscaling/services/wado/queues'"),
    ({"autoscaling": {"services": {"qido": {}}}}, "additional properties 'qido' not allowed"),
    ({"nats": {"enabled": "no"}}, "'/nats/enabled': got string, want boolean"),
    ({"nats": {"enabled": False}}, "nats.url: is required where nats.enabled is false"),
    ({"nats": {"url": "nats://nats:4222"}}, "nats.url: is for one of your own: set nats.enabled to false"),
    ({"s3": {"enabled": False}}, "s3.endpoint: is required where s3.enabled is false"),
    ({"s3": {"endpoint": "https://s3"}}, "s3.endpoint: is for one of your own: set s3.enabled to false"),
    ({"s3": {"bucket": "Images"}}, "'/s3/bucket': 'Images' does not match"),
    ({"ingress": {"enabled": True}}, "ingress.hosts: names no host"),
    ({"scp": {"clear": False}}, "scp.clear: is false, and without scp.tlsSecret"),
    ({"operator": {"enabled": False}}, "'/operator': additional properties 'enabled' not allowed"),
]


@pytest.mark.parametrize(("values", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_named(values: dict[str, Any], said: str) -> None:
    assert said in complaint(lambda: render(values))


def test_every_value_that_may_be_set_is_shown_with_its_default() -> None:
    schema: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    shown = read(CHART / "values.yaml")
    assert {*_known(schema, schema["definitions"])} - {"global"} == {*_keys(shown)}


def _known(schema: dict[str, Any], definitions: dict[str, Any], place: str = "") -> Iterator[str]:
    """Give the places that the schema knows, but below what Kubernetes defines, and of each service alike."""
    for name, one in schema.get("properties", {}).items():
        yield f"{place}{name}"
        reference = one.get("$ref", "").rpartition("/")[2]
        if reference not in ("resources", "secretOfEach"):
            yield from _known(definitions.get(reference, one), definitions, f"{place}{name}.")


def _keys(values: object, place: str = "") -> Iterator[str]:
    if isinstance(values, dict) and not place.endswith(("resources.", "nats.secrets.", "s3.secrets.")):
        for name, one in values.items():
            yield f"{place}{name}"
            yield from _keys(one, f"{place}{name}.")
