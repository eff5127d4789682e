"""The system of compose/compose.yaml as processes, with its servers, settings, credentials and order."""

import ssl
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import httpx2

from isthmus.cli.process import executable
from tests.composed.stack import LOOPBACK, Container, Stack
from tests.peers import eventually
from tests.peers.process import Process, inside_a_container

OURS: Final = ("qido", "wado", "stow", "scp", "dimse-scu", "web-scu", "arrivals")
HTTP_PORT: Final = 8000
"""Of our services, in their containers."""
_FILES: Final = ("compose.yaml", "compose.seaweedfs.yaml")
"""SeaweedFS, since the image that compose.yaml names for S3 cannot be had as a program."""


class ComposedSystem:
    """All services without a profile; a context manager that is entered when everything is ready.

    Attributes:
        url: the gateway's, over TLS.
    """

    def __init__(self, folder: Path, collector: str, scale: Mapping[str, int]) -> None:
        """Lay it out.

        Args:
            folder: is empty, and takes its volumes, settings and logs.
            collector: where spans and metrics go.
            scale: how many there are of a service, where it is more than one.
        """
        self._folder = folder
        self._scale = scale
        given = folder / "settings"
        given.mkdir()
        self._settings = given / "isthmus.toml"
        variables = {
            "ISTHMUS_SETTINGS": str(given),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        }
        self._stack = Stack(*_FILES, folder=folder / "volumes", variables=variables)
        self._processes = ExitStack()
        self._running: dict[str, Process] = {}
        self.url: Final = f"https://{LOOPBACK}:{self._stack.port('gateway', 8443)}"

    @property
    def scp_port(self) -> int:
        """Where DIMSE clients go."""
        return self._stack.port("scp", 11112)

    def configure(self, settings: str) -> None:
        """Write isthmus.toml, before it is started."""
        self._settings.write_text(settings)

    def addresses(self) -> Mapping[str, Sequence[str]]:
        """Give the HTTP addresses of our services' replicas, as Prometheus asks them."""
        return {
            name: [
                f"http://{LOOPBACK}:{self._stack.port(name, HTTP_PORT, number)}"
                for number in range(self._scale.get(name, 1))
            ]
            for name in OURS
        }

    def nats_url(self) -> str:
        """Give the address of the bus."""
        return f"nats://{LOOPBACK}:{self._stack.port('nats', 4222)}"

    def secret(self, reader: str, file: str) -> str:
        """Give what a reader of secrets is told."""
        return (self._folder / "volumes" / f"secrets-{reader}" / file).read_text().strip()

    def authority(self) -> ssl.SSLContext:
        """Trust who made the gateway's certificate, as a client does that was given its file."""
        return ssl.create_default_context(cadata=self.secret("gateway", "authority.pem"))

    def metrics(self) -> str:
        """Give what Prometheus reads of all processes, one after the other."""
        addresses = [address for some in self.addresses().values() for address in some]
        answers = [httpx2.get(f"{address}/metrics", trust_env=False) for address in addresses]
        return "".join(answer.raise_for_status().text for answer in answers)

    def logs(self) -> Mapping[str, str]:
        """Give what each process wrote until now."""
        return {log.stem: log.read_text(errors="replace") for log in sorted(self._folder.glob("*.log"))}

    def __enter__(self) -> Self:
        with ExitStack() as running:
            running.push(self._processes)
            for name in self._order():
                for container in self._stack.containers(name, self._scale.get(name, 1)):
                    self._run(container)
            for name in self._stack.services:
                self._wait_until_healthy(name)
            running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.close()

    def _order(self) -> Iterable[str]:
        """Give the services, each after those that it depends on."""
        awaited = {name: self._stack.container(name).awaits for name in self._stack.services}
        return TopologicalSorter(awaited).static_order()

    def _run(self, container: Container) -> None:
        """Start a container as soon as what it depends on is as it wants it; one that ends has ended then."""
        for other, condition in container.awaits.items():
            if condition == "service_healthy":
                self._wait_until_healthy(other)
        log = self._folder / f"{container.name}.log"
        command = [_program(container.command[0]), *container.command[1:]]
        if container.is_once:
            assert eventually(partial(_succeeds, command, log, container.environment)), log.read_text()
            return
        assert not _is_well(container), f"{container.name} is well before it is there"
        process = Process(command, log=log, environment=container.environment, alone=True)
        self._processes.enter_context(process)
        self._running[container.name] = process

    def _wait_until_healthy(self, service: str) -> None:
        for container in self._stack.containers(service, self._scale.get(service, 1)):
            process = self._running.get(container.name)
            if process is not None:
                process.wait_until(partial(_is_well, container))


def _is_well(container: Container) -> bool:
    """Ask as an engine does, by the container's check. wget is that of its image: it is not at hand."""
    program, *words = container.healthcheck
    if program != "wget":
        return _ended([_program(program), *words], subprocess.DEVNULL, container.environment) == 0
    *options, url = words
    try:
        return httpx2.get(url, verify="--no-check-certificate" not in options, trust_env=False).is_success
    except httpx2.TransportError:
        return False


def _succeeds(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> bool:
    """Run it once; what fails is run again, as `restart: on-failure` says."""
    with log.open("ab") as output:
        return _ended(command, output, environment) == 0


def _ended(command: Sequence[str], output: IO[bytes] | int, environment: Mapping[str, str]) -> int:
    alone = {**inside_a_container(), **environment}
    return subprocess.run(command, stdout=output, stderr=output, env=alone, check=False).returncode


def _program(name: str) -> str:
    return sys.executable if name == "python" else executable(name)
