"""What the chart renders is what Kubernetes takes, for each way in which it is used."""

from pathlib import Path

import helm_python
import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.deploy.kubernetes_schemas import NEWEST, OLDEST, faults
from tests.deploy.rendering import CHART, Manifest, read, render

VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
LINT = YamlLintConfig(
    "{extends: default, rules: {line-length: {max: 130}, document-start: disable,"
    " comments: {min-spaces-from-content: 1}}}"
)


@pytest.fixture(params=[None, *VALUES], ids=["defaults", *(path.stem for path in VALUES)])
def values(request: pytest.FixtureRequest) -> Manifest:
    path: Path | None = request.param
    return {} if path is None else read(path)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field(values: Manifest, version: str) -> None:
    assert not [fault for manifest in render(values).manifests for fault in faults(manifest, version)]


def test_helm_finds_nothing_to_complain_about(values: Manifest) -> None:
    report = helm_python.lint(CHART, values, strict=True)
    assert [one["error"] for one in report["messages"]] == ["icon is recommended"]


def test_names_are_there_once_and_of_this_release(values: Manifest) -> None:
    seen = [(one["kind"], one["metadata"]["name"]) for one in render(values).manifests]
    assert len(set(seen)) == len(seen)
    assert all(name.startswith("isthmus") and len(name) <= 63 for _, name in seen)


def test_what_is_selected_is_there(values: Manifest) -> None:
    rendered = render(values)
    pods = [pod["metadata"]["labels"] for pod in rendered.pods().values()]
    selectors = [
        *(one["spec"]["selector"] for one in rendered.of_kind("Service").values()),
        *(one["spec"]["selector"]["matchLabels"] for one in rendered.of_kind("Deployment").values()),
        *(one["spec"]["selector"]["matchLabels"] for one in rendered.of_kind("StatefulSet").values()),
        *(one["spec"]["selector"]["matchLabels"] for one in rendered.of_kind("PodDisruptionBudget").values()),
    ]
    for selector in selectors:
        assert [labels for labels in pods if selector.items() <= labels.items()], selector


def test_what_is_mounted_and_referred_to_is_made_here_or_named_in_the_values(values: Manifest) -> None:
    rendered = render(values)
    made = {name: rendered.of_kind(name) for name in ("Secret", "ConfigMap")}
    given = _texts(values)
    for name, pod in rendered.pods().items():
        mounted = {mount["name"] for mount in pod["spec"]["containers"][0].get("volumeMounts", ())}
        claimed = {"data"} if name in ("nats", "s3") else set()
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]} | claimed
        for kind, referred in _references(pod["spec"]):
            assert referred.removeprefix("isthmus-") in made[kind] or referred in given, (name, referred)


def _texts(values: object) -> set[str]:
    if isinstance(values, dict):
        return set().union(*map(_texts, values.values())) if values else set()
    if isinstance(values, list):
        return set().union(*map(_texts, values)) if values else set()
    return {values} if isinstance(values, str) else set()


def _references(spec: Manifest) -> list[tuple[str, str]]:
    found = []
    for volume in spec["volumes"]:
        found += [
            ("Secret", source["secret"]["name"]) for source in volume.get("projected", {}).get("sources", ())
        ]
        found += [("Secret", volume["secret"]["secretName"])] if "secret" in volume else []
        found += [("ConfigMap", volume["configMap"]["name"])] if "configMap" in volume else []
    for container in spec["containers"]:
        sources = [one["valueFrom"] for one in container.get("env", ()) if "valueFrom" in one]
        found += [
            ("Secret", one["secretKeyRef"]["name"])
            for one in (*sources, *container.get("envFrom", ()))
            if "secretKeyRef" in one
        ]
        found += [("Secret", one["secretRef"]["name"]) for one in container.get("envFrom", ())]
    return found


@pytest.mark.parametrize(
    "path", [CHART / "values.yaml", CHART / "Chart.yaml", *VALUES], ids=lambda path: path.name
)
def test_files_of_values_are_well_written(path: Path) -> None:
    assert not [str(problem) for problem in linter.run(path.read_text(), LINT)]


def test_the_package_holds_the_files_that_are_links_here(tmp_path: Path) -> None:
    links = sorted(path for path in CHART.rglob("*") if path.is_symlink())
    assert [path.name for path in links] == ["Caddyfile", "alerts.yaml", "nats.conf"]
    helm_python.expand(tmp_path, helm_python.package(CHART, destination=tmp_path))
    for path in links:
        packed = tmp_path / "isthmus" / path.relative_to(CHART)
        assert not packed.is_symlink()
        assert packed.read_bytes() == path.read_bytes()
