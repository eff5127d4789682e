"""An API server that has Secrets and nothing else: as much of Kubernetes as Helm asks before it installs."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

import helm_python

from tests.deploy.rendering import CHART, NAMESPACE, RELEASE, Manifest, Rendered, parsed

_KINDS: Final = {
    "v1": ("ConfigMap", "Secret", "Service"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "policy/v1": ("PodDisruptionBudget",),
}


@contextmanager
def cluster(secrets: Mapping[str, Mapping[str, str]]) -> Iterator[helm_python.Config]:
    """Run a cluster in which these Secrets of the release are, by their names.

    Yields:
        What Helm reaches it by.
    """
    documents = {
        "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [*_groups()]},
        "/openapi/v3": {
            "paths": {
                _path(version)[1:]: {"serverRelativeURL": f"/openapi/v3{_path(version)}"}
                for version in _KINDS
            }
        },
        **{f"/openapi/v3{_path(version)}": _described(version) for version in _KINDS},
        **dict(_resources()),
        **{
            f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}": _secret(name, data)
            for name, data in secrets.items()
        },
    }

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = documents.get(self.path.partition("?")[0])
            missing = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "reason": "NotFound",
                "code": 404,
            }
            body = json.dumps(missing if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """It says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            with helm_python.Config(
                kubeconfig_content=_kubeconfig(server.server_port),
                namespace=NAMESPACE,
                storage_driver="memory",
            ) as config:
                yield config
        finally:
            server.shutdown()
            thread.join()


def installed(secrets: Mapping[str, Mapping[str, str]], values: Manifest | None = None) -> Rendered:
    """Render the chart as Helm would install it in a cluster in which these Secrets are."""
    with cluster(secrets) as config:
        release = config.install(CHART, RELEASE, values, namespace=NAMESPACE, dry_run="server")
    return Rendered([*parsed(release["manifest"])], "")


def _groups() -> Iterator[Manifest]:
    for version in _KINDS:
        group, _, number = version.rpartition("/")
        if group:
            one = {"groupVersion": version, "version": number}
            yield {"name": group, "versions": [one], "preferredVersion": one}


def _resources() -> Iterator[tuple[str, Manifest]]:
    for version, kinds in _KINDS.items():
        resources = [
            {
                "name": _plural(kind),
                "singularName": kind.lower(),
                "namespaced": True,
                "kind": kind,
                "verbs": ["create", "get", "list", "patch"],
            }
            for kind in kinds
        ]
        yield _path(version), {"kind": "APIResourceList", "groupVersion": version, "resources": resources}


def _path(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _described(version: str) -> Manifest:
    """Say of each kind that the server itself looks for fields that it does not know."""
    group, _, number = version.rpartition("/")
    return {
        "openapi": "3.0.0",
        "paths": {
            f"{_path(version)}/{_plural(kind)}/{{name}}": {
                "patch": {
                    "parameters": [{"name": "fieldValidation", "in": "query"}],
                    "x-kubernetes-group-version-kind": {"group": group, "version": number, "kind": kind},
                }
            }
            for kind in _KINDS[version]
        },
    }


def _plural(kind: str) -> str:
    name = kind.lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _secret(name: str, data: Mapping[str, str]) -> Manifest:
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "meta.helm.sh/release-name": RELEASE,
            "meta.helm.sh/release-namespace": NAMESPACE,
        },
    }
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}


def _kubeconfig(port: int) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
    )
