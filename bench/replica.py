"""More processes of services of the running system, which nothing but the benchmark asks."""

import http.client
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench.processes import variables
from bench.site import Site
from tests.peers.process import LOOPBACK, Process, free_port

ROOT: Final = Path(__file__).parents[1]
_READY_SECONDS: Final = 30.0


@contextmanager
def replicas(site: Site, modules: Mapping[str, Sequence[str]]) -> Iterator[Mapping[str, str]]:
    """Run one of each of some services, with the settings of those that are there; give their base URLs.

    Args:
        site: Where the system runs.
        modules: What is run, with its arguments, by the name of the service.
    """
    ports = {service: free_port() for service in modules}
    with ExitStack() as running:
        started = {
            service: running.enter_context(_started(site, service, ports[service], module))
            for service, module in modules.items()
        }
        for service, process in started.items():
            process.wait_until(partial(_is_ready, ports[service]), timeout_seconds=_READY_SECONDS)
        yield {service: f"http://{LOOPBACK}:{port}" for service, port in ports.items()}


def _started(site: Site, service: str, port: int, module: Sequence[str]) -> Process:
    settings = variables(site.gateway.pids[service][0], "ISTHMUS_")
    environment = {
        **settings,
        "ISTHMUS_HTTP__LISTEN": f"{LOOPBACK}:{port}",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }
    log = site.directory / f"replica-{service}.log"
    return Process([sys.executable, "-m", *module], log=log, environment=environment)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
