"""The compose files as they are read: with what they include, and later ones over earlier ones."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "compose"
BASE: Final = "compose.yaml"
SEAWEEDFS: Final = "compose.seaweedfs.yaml"
_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?P<how>:?-)?(?P<default>[^}]*)\}")

Tree = dict[str, object]


class Limits(BaseModel):
    """What a container may take."""

    memory: str
    pids: int

    @property
    def megabytes(self) -> int:
        """The memory."""
        return int(self.memory[:-1]) * {"m": 1, "g": 1024}[self.memory[-1]]


class Volume(BaseModel):
    """What is mounted."""

    model_config = ConfigDict(extra="forbid")

    type: str
    target: str
    source: str | None = None
    read_only: bool = False


class Service(BaseModel):
    """A service of a compose file, as far as the tests look at it."""

    image: str = ""
    user: str = ""
    read_only: bool = False
    cap_drop: Sequence[str] = ()
    cap_add: Sequence[str] = ()
    security_opt: Sequence[str] = ()
    restart: str = ""
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = {}
    networks: Sequence[str] = ()
    network_mode: str = ""
    ports: Sequence[str] = ()
    tmpfs: Sequence[str] = ()
    volumes: Sequence[Volume] = ()
    depends_on: Mapping[str, Mapping[str, str]] = {}
    healthcheck: Mapping[str, object] = {}
    profiles: Sequence[str] = ()
    deploy: Mapping[str, Mapping[str, Limits]] = Field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """What it may take."""
        return self.deploy["resources"]["limits"]

    @property
    def is_once(self) -> bool:
        """Whether it does its work and ends."""
        return self.restart in {"on-failure:5", "no"}


def read(name: str, variables: Mapping[str, str] | None = None) -> Tree:
    """Give a file with its variables filled in; those that are not named have their defaults."""

    def value(found: re.Match[str]) -> str:
        given = variables or {}
        if found["how"] == "-":
            return given.get(found["name"], found["default"])
        return given.get(found["name"]) or found["default"]

    def filled(tree: object) -> object:
        if isinstance(tree, dict):
            return {key: filled(below) for key, below in tree.items()}
        if isinstance(tree, list):
            return [filled(below) for below in tree]
        return _VARIABLE.sub(value, tree) if isinstance(tree, str) else tree

    return TypeAdapter(Tree).validate_python(filled(yaml.safe_load((COMPOSE / name).read_text())))


def services(*names: str, variables: Mapping[str, str] | None = None) -> Mapping[str, Service]:
    """Give the services of these files and of those that they include; later files go over earlier ones."""
    merged: dict[str, Tree] = {}
    for name in names or (BASE,):
        tree = read(name, variables)
        for included in TypeAdapter(list[str]).validate_python(tree.get("include", [])):
            merged.update(_services_in(read(included, variables)))
        for service, keys in _services_in(tree).items():
            merged[service] = _over(merged.get(service, {}), keys)
    return {name: Service.model_validate(keys) for name, keys in merged.items()}


def environment_file() -> Mapping[str, str]:
    """Give what `.env` says."""
    lines = (COMPOSE / ".env").read_text().splitlines()
    return dict(_assignment(line) for line in lines if line and not line.startswith("#"))


def _assignment(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name, value


def _services_in(tree: Tree) -> Mapping[str, Tree]:
    return TypeAdapter(dict[str, Tree]).validate_python(tree["services"])


def _over(before: Tree, after: Tree) -> Tree:
    """Put keys over others as compose does: tables are merged, commands and all else are replaced."""
    both = {**before, **after}
    for key in ("environment", "healthcheck"):
        if key in before and key in after:
            tables = (TypeAdapter(Tree).validate_python(one[key]) for one in (before, after))
            both[key] = {name: value for table in tables for name, value in table.items()}
    return both
