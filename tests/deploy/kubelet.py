"""What a container of the chart finds: its files, environment and command, below a folder of a test."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.rendering import Manifest, Rendered


@dataclass(frozen=True)
class Prepared:
    """A container that can be run here.

    Attributes:
        command: what it runs.
        environment: all of it.
        root: the folder that stands for its root.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    root: Path


def prepare(
    rendered: Rendered, part: str, root: Path, given: Mapping[str, Mapping[str, str]] | None = None
) -> Prepared:
    """Lay out the volumes of a part, and put their places into its command, environment and files.

    Args:
        rendered: the chart.
        part: whose container.
        root: an empty folder.
        given: Secrets and ConfigMaps that are not of the chart, by their names.
    """
    pod, container = rendered.pods()[part]["spec"], rendered.container(part)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    places = [mount["mountPath"] for mount in container["volumeMounts"]]
    for mount in container["volumeMounts"]:
        place = root / mount["mountPath"].removeprefix("/")
        held = dict(_held(rendered, volumes.get(mount["name"], {}), given or {}))
        if mount.get("subPath") in held:
            held, place = {place.name: held[mount["subPath"]]}, place.parent
        place.mkdir(parents=True, exist_ok=True)
        for name, text in held.items():
            (place / name).write_text(_below(root, places, text))
    environment = {one["name"]: _value(rendered, one, given or {}) for one in container.get("env", ())}
    for source in container.get("envFrom", ()):
        environment |= _named(rendered, "Secret", source["secretRef"]["name"], given or {})
    return Prepared(
        [_below(root, places, one) for one in container["command"]],
        {name: _below(root, places, value) for name, value in environment.items()},
        root,
    )


def _below(root: Path, places: Sequence[str], text: str) -> str:
    """Have what is mounted lie below the root, wherever it is named."""
    named = "|".join(re.escape(place) for place in sorted(places, key=len, reverse=True))
    return re.sub(rf'(?<![\w/])/?(?P<place>{named})(?=$|[/"\s])', lambda one: f"{root}{one['place']}", text)


def _held(
    rendered: Rendered, volume: Manifest, given: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    sources: list[dict[str, Any]] = volume.get("projected", {}).get("sources", [volume])
    for source in sources:
        if "configMap" in source:
            yield from _named(rendered, "ConfigMap", source["configMap"]["name"], given).items()
        if "secret" in source:
            name = source["secret"].get("name") or source["secret"]["secretName"]
            held = _named(rendered, "Secret", name, given)
            items = source["secret"].get("items", [{"key": key, "path": key} for key in held])
            yield from ((one["path"], held[one["key"]]) for one in items)


def _value(rendered: Rendered, one: Manifest, given: Mapping[str, Mapping[str, str]]) -> str:
    if "valueFrom" not in one:
        return str(one["value"])
    source = one["valueFrom"]["secretKeyRef"]
    return _named(rendered, "Secret", source["name"], given)[source["key"]]


def _named(
    rendered: Rendered, kind: str, name: str, given: Mapping[str, Mapping[str, str]]
) -> Mapping[str, str]:
    if name in given:
        return given[name]
    own = name.removeprefix("isthmus-")
    if kind == "Secret":
        return rendered.secret(own)
    held: Mapping[str, str] = rendered.of_kind("ConfigMap")[own]["data"]
    return held
