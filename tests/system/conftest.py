"""One `isthmus up` for the whole run, in front of PACS that nobody here wrote."""

from collections.abc import Iterator
from typing import Final

import httpx2
import pytest

from tests.peers import Dcmqrscp, Orthanc, Peer, Storescp, free_port
from tests.system.gateway import Gateway

METHODS: Final = {"move": ["c-move"], "both": ["c-get", "c-move"], "get": ["c-get"]}
"""How an origin may be asked, by the end of its name."""


def settings(origins: dict[str, tuple[Peer, list[str]]]) -> str:
    """Write the settings of these origins: their names, PACS and methods."""
    lines = []
    for name, (peer, methods) in origins.items():
        lines += [
            "[[origins]]",
            f'name = "{name}"',
            f'ae_title = "{peer.ae_title}"',
            f'host = "{peer.host}"',
            f"port = {peer.port}",
            f"retrieve = {methods}",
            "timeout_seconds = 20",
        ]
    return "\n".join(lines)


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory,
    orthanc: Orthanc,
    dcmqrscp: Dcmqrscp,
    _writable_orthanc: Orthanc,
    _storescp: Storescp,
    isthmus_peer: Peer,
) -> Iterator[Gateway]:
    """The running system; each PACS is an origin for each way to retrieve from it."""
    origins = {
        **{f"orthanc-{name}": (orthanc.peer, methods) for name, methods in METHODS.items()},
        **{f"dcmqrscp-{name}": (dcmqrscp.peer, methods) for name, methods in METHODS.items()},
        "empty": (_writable_orthanc.peer, ["c-get"]),
        "receiver": (_storescp.peer, ["c-get"]),
        "nowhere": (Peer("NOWHERE", "127.0.0.1", free_port()), ["c-get"]),
    }
    directory = tmp_path_factory.mktemp("gateway")
    with Gateway(directory, settings(origins), isthmus_peer) as system:
        yield system


@pytest.fixture(scope="session")
def http(gateway: Gateway) -> Iterator[httpx2.Client]:
    """A client of the gateway."""
    with httpx2.Client(base_url=gateway.url, timeout=60, trust_env=False) as client:
        yield client
