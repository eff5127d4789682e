"""Whether Kubernetes knows every field of a manifest, by its own schemas.

They are those of the kubernetes-validate distribution, which reads megabytes for each manifest; here once.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.deploy.custom_resources import SCHEMAS, Schema
from tests.deploy.rendering import Manifest

OLDEST: Final = "v1.30.0"
"""The first that the chart is for."""
NEWEST: Final = "v1.37.0"
_Registry = Registry[bool | Mapping[str, Any]]
_ALL: Final = files("kubernetes_validate") / "kubernetes-json-schema"


def faults(manifest: Manifest, version: str) -> Iterator[str]:
    """Tell what is wrong with it."""
    schema = SCHEMAS.get(manifest["kind"])
    validator = (
        _validator(manifest["apiVersion"], manifest["kind"], version)
        if schema is None
        else Draft202012Validator(schema)
    )
    for error in validator.iter_errors(manifest):
        yield f"{manifest['kind']} {manifest['metadata']['name']}: {error.json_path}: {error.message}"


@cache
def _validator(api_version: str, kind: str, version: str) -> Draft202012Validator:
    group, _, number = api_version.rpartition("/")
    name = "-".join(filter(None, [kind.lower(), group.partition(".")[0], number]))
    return Draft202012Validator(_read(version, name), registry=_definitions(version))


@cache
def _definitions(version: str) -> _Registry:
    definitions: Resource[bool | Mapping[str, Any]] = Resource.from_contents(_read(version, "_definitions"))
    found: _Registry = Registry().with_resource(definitions.id() or "", definitions)
    return found


def _read(version: str, name: str) -> Schema:
    found: Schema = json.loads((_ALL / f"{version}-local-strict" / f"{name}.json").read_text())
    return found
