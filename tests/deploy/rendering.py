"""The chart as Helm renders it, without a cluster."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

CHART: Final = Path(__file__).parents[2] / "deploy" / "helm" / "isthmus"
RELEASE: Final = "isthmus"
NAMESPACE: Final = "imaging"
COMPONENT: Final = "app.kubernetes.io/component"

Manifest = dict[str, Any]
"""What is sent to Kubernetes, as YAML has it."""


@dataclass(frozen=True)
class Rendered:
    """All manifests of one rendering."""

    manifests: Sequence[Manifest]
    notes: str

    def of_kind(self, kind: str) -> Mapping[str, Manifest]:
        """Those of a kind by their names, without that of the release."""
        return {
            one["metadata"]["name"].removeprefix(f"{RELEASE}-"): one
            for one in self.manifests
            if one["kind"] == kind
        }

    def secret(self, name: str) -> Mapping[str, str]:
        """What a Secret holds."""
        data = self.of_kind("Secret")[name]["data"]
        return {key: b64decode(value).decode() for key, value in data.items()}

    def pods(self) -> Mapping[str, Manifest]:
        """The pod of each part, by what the part is called."""
        kinds = ("Deployment", "StatefulSet", "Job")
        templates = (one["spec"]["template"] for one in self.manifests if one["kind"] in kinds)
        return {template["metadata"]["labels"][COMPONENT]: template for template in templates}

    def containers(self) -> Iterator[tuple[str, Manifest]]:
        """Every container, with the part that it is of."""
        for name, pod in self.pods().items():
            for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
                yield name, container

    def container(self, part: str) -> Manifest:
        """The only container of a part."""
        (found,) = (container for name, container in self.containers() if name == part)
        return found


def read(path: Path) -> Manifest:
    """Read a file of values."""
    found: Manifest = yaml.safe_load(path.read_text())
    return found


def parsed(documents: str) -> Iterator[Manifest]:
    """Give the manifests of a file."""
    yield from (one for one in yaml.load_all(documents, Loader=yaml.CSafeLoader) if one is not None)


@cache
def _chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def render(values: Manifest | None = None) -> Rendered:
    """Render the chart with these values beside its defaults.

    Raises:
        helm_python.HelmValuesError: the schema refuses them.
        helm_python.HelmRenderError: the chart does.
    """
    return _rendered(json.dumps(values or {}))


@cache
def _rendered(values: str) -> Rendered:
    files = _chart().render(
        json.loads(values), name=RELEASE, namespace=NAMESPACE, revision=1, is_install=True
    )
    manifests = [
        one for name, text in sorted(files.items()) if name.endswith(".yaml") for one in parsed(text)
    ]
    (notes,) = (text for name, text in files.items() if name.endswith("NOTES.txt"))
    return Rendered(manifests, notes)


def complaint(refused: Callable[[], object]) -> str:
    """Give what Helm says of values that it refuses."""
    try:
        refused()
    except (helm_python.HelmValuesError, helm_python.HelmRenderError) as error:
        return str(error)
    return "nothing"
