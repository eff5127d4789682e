"""compose.yaml as this machine can run it: containers are processes, mounts folders, networks loopback."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.peers import free_port

COMPOSE: Final = Path(__file__).parents[2] / "compose"
LOOPBACK: Final = "127.0.0.1"
_ENTRYPOINT_OF_NATS: Final = "nats-server"
"""What its image puts before the command."""
_ENVIRONMENT_OF_CADDY: Final = {"XDG_CONFIG_HOME": "/config", "XDG_DATA_HOME": "/data"}
"""What its image sets."""
_WITHIN_SEAWEEDFS: Final = ("master", "volume", "filer")
"""Its parts, which listen where they like: in a container they are alone."""
_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?P<how>:?-)?(?P<default>[^}]*)\}")
_LISTENING: Final = re.compile(
    r"(?:(?P<host>0\.0\.0\.0):|(?P<option>\.port(?:\.grpc)?=|-metricsPort=))(?P<port>\d+)\b|0\.0\.0\.0"
)
"""Where a program is told to listen: on all addresses of its container."""
_WITHIN: Final = "127.0.0.1:"
"""In a file, or in a check of its health: where it is reached by itself alone, in its container."""
_EVERYWHERE: Final = "0.0.0.0:"
_PORT: Final = "_PORT"
"""The names of variables end so that hold the number of a port of the container itself."""


@dataclass(frozen=True)
class Container:
    """One container of a service."""

    name: str
    command: Sequence[str]
    healthcheck: Sequence[str]
    """The program that says whether it is well, with its arguments; none for who does his work and ends."""
    environment: Mapping[str, str]
    """All of it: nothing of ours is added but the path of programs."""
    awaits: Mapping[str, str]
    """The services that it depends on, each with its condition."""
    is_once: bool
    """It does its work and ends."""


class Stack:
    """The services of some compose files, and where their folders and ports are here.

    What differs from an engine is this: the path of a mount is that of a folder, the name
    of a service and the port that it listens on in its container are loopback and a free port, and addresses
    that nobody else may reach there (0.0.0.0) are loopback too.
    """

    def __init__(self, *files: str, folder: Path, variables: Mapping[str, str]) -> None:
        """Read the files.

        Args:
            files: names of compose files; later ones go before earlier ones.
            folder: takes what volumes hold, a folder for each.
            variables: the environment by which the files are interpolated.
        """
        self._folder = folder
        self._variables = variables
        self._services: dict[str, dict[str, Any]] = {}
        for file in files:
            for name, service in self._read(COMPOSE / file)["services"].items():
                known = self._services.get(name, {})
                environment = {**known.get("environment", {}), **service.get("environment", {})}
                self._services[name] = {**known, **service, "environment": environment}
        self._ports: dict[tuple[str, int, int], int] = {}

    @property
    def services(self) -> Sequence[str]:
        """Their names, but for those of a profile."""
        return [name for name, service in self._services.items() if "profiles" not in service]

    def port(self, service: str, inside: int, replica: int = 0) -> int:
        """Give the port of loopback at which one of a container is reached."""
        key = (service, inside, replica)
        if key not in self._ports:
            self._ports[key] = free_port()
        return self._ports[key]

    def container(self, name: str, replica: int = 0) -> Container:
        """Describe how a container is run here."""
        service = self._services[name]
        of_image = _ENVIRONMENT_OF_CADDY if service["image"].startswith("caddy:") else {}
        environment: Mapping[str, str] = {**of_image, **service["environment"]}
        return Container(
            f"{name}-{replica + 1}",
            [self._here(name, word, replica) for word in _command(service)],
            [
                self._here(name, word.replace(_WITHIN, _EVERYWHERE), replica)
                for word in service.get("healthcheck", {}).get("test", [])[1:]
            ],
            {
                key: str(self.port(name, int(value), replica))
                if key.endswith(_PORT)
                else self._here(name, value, replica)
                for key, value in environment.items()
            },
            {other: how["condition"] for other, how in service.get("depends_on", {}).items()},
            self._is_awaited_to_end(name),
        )

    def containers(self, name: str, count: int) -> Sequence[Container]:
        """Describe those of `--scale NAME=COUNT`."""
        return [self.container(name, replica) for replica in range(count)]

    def path(self, name: str, inside: str) -> Path:
        """Give where a path of a container is here, among links to all that it mounts."""
        return self._root(name) / inside.removeprefix("/")

    def _root(self, name: str) -> Path:
        root = self._folder / "containers" / name
        if not root.exists():
            root.mkdir(parents=True)
            service = self._services[name]
            in_memory = [{"type": "tmpfs", "target": target} for target in service.get("tmpfs", [])]
            for volume in [*service.get("volumes", []), *in_memory]:
                place = root / volume["target"].removeprefix("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                self._mount(name, volume, place)
        return root

    def _is_awaited_to_end(self, name: str) -> bool:
        awaited = (service.get("depends_on", {}).get(name, {}) for service in self._services.values())
        return {"condition": "service_completed_successfully"} in awaited

    def _mount(self, name: str, volume: Mapping[str, str], place: Path) -> None:
        if volume["type"] != "bind":
            folder = self._folder / volume.get("source", f"{name}{volume['target'].replace('/', '-')}")
            folder.mkdir(parents=True, exist_ok=True)
            place.symlink_to(folder)
            return
        source = (COMPOSE / volume["source"]).resolve()
        if source.suffix == ".conf":
            text = source.read_text().replace(_WITHIN, _EVERYWHERE)
            place.write_text(self._listening(name, text, 0))
        else:
            place.symlink_to(source)

    def _here(self, name: str, text: str, replica: int) -> str:
        """Give a word of a command, or a value of the environment, as it is right here."""
        return self._networked(self._mounted(name, self._listening(name, text, replica)))

    def _listening(self, name: str, text: str, replica: int) -> str:
        def own(match: re.Match[str]) -> str:
            if not match["port"]:
                return LOOPBACK
            port = self.port(name, int(match["port"]), replica)
            return f"{match['option']}{port}" if match["option"] else f"{LOOPBACK}:{port}"

        return _LISTENING.sub(own, text)

    def _mounted(self, name: str, text: str) -> str:
        root = self._root(name)
        tops = "|".join(re.escape(top.name) for top in root.iterdir())
        return re.sub(rf"(?<![\w/-])/(?:{tops})(?=[/\"]|$)", lambda match: f"{root}{match.group()}", text)

    def _networked(self, text: str) -> str:
        """Give the addresses of other containers as they are here: `NAME:PORT`, or as Caddy's `NAME PORT`."""
        names = "|".join(map(re.escape, self._services))
        address = re.compile(rf"(?<![\w.-])(?P<name>{names})(?P<between>[: ])(?P<port>\d+)\b")

        def reached(match: re.Match[str]) -> str:
            return f"{LOOPBACK}{match['between']}{self.port(match['name'], int(match['port']))}"

        return address.sub(reached, text)

    def _read(self, path: Path) -> dict[str, Any]:
        read: dict[str, Any] = self._interpolated(yaml.safe_load(path.read_text()))
        return read

    def _interpolated(self, read: Any) -> Any:  # noqa: ANN401  whatever YAML has
        """Put variables into what was read, as an engine does: what comes of them is text in any case."""
        match read:
            case str():
                return _VARIABLE.sub(self._value, read)
            case dict():
                return {key: self._interpolated(value) for key, value in read.items()}
            case list():
                return [self._interpolated(value) for value in read]
            case _:
                return read

    def _value(self, match: re.Match[str]) -> str:
        if match["how"] == "-":
            return self._variables.get(match["name"], match["default"])
        return self._variables.get(match["name"]) or match["default"]


def _command(service: Mapping[str, Any]) -> Sequence[str]:
    command: list[str] = [*service.get("entrypoint", []), *service.get("command", [])]
    if service["image"].startswith("nats:"):
        return [_ENTRYPOINT_OF_NATS, *command]
    if command[0] == "weed":
        parts = [f"-{part}.port" for part in _WITHIN_SEAWEEDFS]
        grpc = [f"-{part}.port.grpc" for part in (*_WITHIN_SEAWEEDFS, "s3")]
        command += [f"{option}={number}" for number, option in enumerate([*parts, *grpc], start=1)]
    return command
