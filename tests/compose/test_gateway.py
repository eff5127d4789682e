"""The gateway as its container runs it: TLS, faces that are found by name, its secret in a file."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from isthmus.cli.containers.secrets import make_secrets
from isthmus.cli.embedded.gateway import CADDYFILE
from isthmus.cli.embedded.probe import answers
from isthmus.cli.process import Process, Program, executable
from isthmus.common.config import Settings
from tests.cli.face import Face
from tests.compose.files import services
from tests.peers import free_ports
from tests.waiting import PATIENCE

CADDY = [executable("caddy"), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]


def environment(secrets: Path, port: int, faces: Mapping[str, int]) -> dict[str, str]:
    """Give that of the container, with the paths and ports of this machine."""
    container = dict(services()["gateway"].environment)
    own = secrets / "gateway"
    container = {name: value.replace("/run/secrets", str(own)) for name, value in container.items()}
    for name, at in faces.items():
        assert container[f"{name.upper()}_UPSTREAMS"] == f"{name} 8000"
        container[f"{name.upper()}_UPSTREAMS"] = f"localhost {at}"
    return {**container, "GATEWAY_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}


@dataclass(frozen=True)
class Running:
    """The gateway, a face behind it, and a client that trusts the authority of its certificate."""

    secrets: Path
    face: Face
    client: httpx2.AsyncClient
    face_port: int


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    make_secrets(tmp_path / "secrets", Settings(), host="localhost")
    port, face_port = free_ports(2)
    program = Program(
        name="gateway",
        command=CADDY,
        environment={
            **environment(tmp_path / "secrets", port, dict.fromkeys(("qido", "wado", "stow"), face_port)),
            "XDG_CONFIG_HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
        },
        ready=lambda: answers("127.0.0.1", port, "/", expected={400}),
    )
    process = await Process.start(program, log=tmp_path / "gateway.log")
    try:
        await process.wait_ready()
        trusted = ssl.create_default_context(cafile=tmp_path / "secrets" / "gateway" / "authority.pem")
        url = f"https://localhost:{port}"
        async with httpx2.AsyncClient(
            base_url=url, verify=trusted, trust_env=False, timeout=PATIENCE
        ) as client:
            yield Running(tmp_path / "secrets", Face("any"), client, face_port)
    finally:
        await process.stop()


async def test_what_compose_says_is_a_configuration(tmp_path: Path) -> None:
    make_secrets(tmp_path, Settings(), host="localhost")
    validating = await asyncio.create_subprocess_exec(
        *(executable("caddy"), "validate", "--config", str(CADDYFILE), "--adapter", "caddyfile"),
        env={
            **environment(tmp_path, 8443, {}),
            "XDG_CONFIG_HOME": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path),
        },
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await validating.communicate()
    assert validating.returncode == 0, said.decode()


async def test_faces_are_found_by_name_and_shown_the_secret_of_the_file(running: Running) -> None:
    listening = await running.face.start(running.face_port)
    try:
        response = await running.client.get("/aets")
        assert response.text == "any"
    finally:
        listening.close()
    secret = (running.secrets / "qido" / "gateway_secret").read_text()
    (head,) = running.face.heads
    assert f"Isthmus-Gateway: {secret}\r\n" in head


async def test_a_face_that_comes_back_is_asked_again(running: Running) -> None:
    asked = asyncio.create_task(running.client.get("/aets/pacs/studies/1.2/metadata"))
    assert (await running.client.get("/healthz")).json() == {"ok": True}
    listening = await running.face.start(running.face_port)
    try:
        assert (await asked).text == "any"
    finally:
        listening.close()
