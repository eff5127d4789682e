"""NATS, S3 and the gateway, run here as the chart has them run, with its files and secrets."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import httpx2
import pytest
from minio import Minio
from minio.error import S3Error

from isthmus.cli.embedded.base import LOOPBACK, Embedded, free_ports
from isthmus.cli.embedded.own_authority import own_certificate
from isthmus.cli.process import Program, executable
from isthmus.common.bus import Bus
from isthmus.common.bus.accounts import SERVICES
from isthmus.common.bus.backlog import storage
from isthmus.common.config.settings import Nats
from tests.deploy.kubelet import Prepared, prepare
from tests.deploy.rendering import CHART, Manifest, Rendered, read, render
from tests.observability.exported import OF_OTHERS, OF_THE_SCRAPE, told
from tests.waiting import PATIENCE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
"""With which a client of gRPC begins (RFC 9113 3.4): an empty SETTINGS."""
TLS_ALERT = 0x15
LARGER = {"nats": {"maxFile": "20Gi"}}


class OfChart(Embedded):
    """A server of the chart, run below a folder."""

    def __init__(
        self,
        prepared: Prepared,
        *,
        command: Sequence[str],
        probe: httpx2.URL,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(prepared.root)
        self._command, self._probe = command, probe
        self._environment = {**prepared.environment, **(environment or {})}

    @property
    def program(self) -> Program:
        return Program(
            name="server",
            command=[executable(self._command[0]), *self._command[1:]],
            ready=self._answers,
            environment=self._environment,
            directory=self.directory,
            stop_within=0.5,
        )

    def prepare(self) -> None:
        """All of it is there."""

    async def _answers(self) -> bool:
        """Ask as Kubernetes does, which takes any certificate."""
        async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
            try:
                return (await client.get(self._probe)).is_success
            except httpx2.TransportError:
                return False


def probed(container: Manifest) -> httpx2.URL:
    """Give the address within a container that tells whether it is ready."""
    probe = container["readinessProbe"]
    if "exec" in probe:
        *command, url = probe["exec"]["command"]
        assert command == ["wget", "-q", "-O", "/dev/null"]
        return httpx2.URL(url)
    asked = probe["httpGet"]
    (port,) = (one["containerPort"] for one in container["ports"] if one["name"] == asked["port"])
    return httpx2.URL(f"{asked.get('scheme', 'HTTP').lower()}://{LOOPBACK}:{port}{asked['path']}")


@pytest.fixture
def rendered() -> Rendered:
    return render()


@pytest.fixture
async def url(rendered: Rendered, tmp_path: Path) -> AsyncIterator[str]:
    """The bus, at a port of its own: the chart's cannot be had twice on a machine."""
    prepared = prepare(rendered, "nats", tmp_path)
    port, monitoring = free_ports(2)
    probe = probed(rendered.container("nats"))
    config = next(prepared.root.rglob("nats.conf"))
    text = config.read_text()
    assert f'http: "{probe.host}:{probe.port}"' in text
    config.write_text(text.replace(f":{probe.port}", f":{monitoring}"))
    command = [*prepared.command, "-a", LOOPBACK, "-p", str(port)]
    async with OfChart(prepared, command=command, probe=probe.copy_with(port=monitoring)):
        yield f"nats://{LOOPBACK}:{port}"


async def test_nats_takes_each_service_with_its_password_and_nobody_without(
    rendered: Rendered, url: str
) -> None:
    for name in SERVICES:
        password = rendered.secret(name)["nats_password"]
        bus = await Bus.connect(Nats(url=url, user=name, password=password), name)
        assert bus.connected
        await bus.close()
    assert (
        await _said_to(url, "qido", rendered.secret("wado")["nats_password"])
        == b"-ERR 'Authorization Violation'"
    )


async def test_the_streams_may_take_half_of_the_volume(rendered: Rendered, url: str) -> None:
    """What is deleted in the midst of a stream stays in its file until half of that is gone."""
    password = rendered.secret("arrivals")["nats_password"]
    bus = await Bus.connect(Nats(url=url, user="arrivals", password=password), "arrivals")
    assert (await storage(bus)).limit == 10 * 2**30
    await bus.close()
    (claim,) = rendered.of_kind("StatefulSet")["nats"]["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"


def test_what_the_streams_may_take_grows_without_a_change_that_kubernetes_refuses() -> None:
    before, after = (one.of_kind("StatefulSet")["nats"]["spec"] for one in (render(), render(LARGER)))
    assert after["template"] != before["template"]
    assert {**after, "template": None} == {**before, "template": None}


async def _said_to(url: str, user: str, password: str) -> bytes:
    """Log in, and give what the server says to it."""
    host, _, port = url.removeprefix("nats://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(PATIENCE):
            await reader.readline()  # INFO
            login = {"verbose": False, "user": user, "pass": password}
            writer.write(f"CONNECT {json.dumps(login)}\r\nPING\r\n".encode())
            return (await reader.readline()).strip()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("variables", "status"), [({"AI_PASSWORD": '"a b"'}, 0), ({}, 1)], ids=["said", "not said"]
)
async def test_subscribers_have_their_passwords_from_a_secret_of_their_own(
    variables: Mapping[str, str], status: int, tmp_path: Path
) -> None:
    config = (CHART / "files" / "nats.conf").read_text().replace("#:", "")
    values = {"nats": {"config": config, "environment": "subscribers"}}
    prepared = prepare(render(values), "nats", tmp_path, {"subscribers": variables})
    server = await asyncio.create_subprocess_exec(
        *(executable(prepared.command[0]), *prepared.command[1:], "-t"),
        env=prepared.environment,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await server.communicate()
    assert server.returncode == status
    assert (b"AI_PASSWORD" in said) is (status != 0)


@pytest.fixture
async def s3(rendered: Rendered, tmp_path: Path) -> AsyncIterator[Mapping[str, int]]:
    """The blob store, with the ports that it has here."""
    prepared = prepare(rendered, "s3", tmp_path)
    names = (
        "metricsPort",
        "s3.port",
        "s3.port.grpc",
        *(f"{part}.port{kind}" for part in PARTS for kind in ("", ".grpc")),
    )
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    probe = probed(rendered.container("s3"))
    kept = [one.replace("0.0.0.0", LOOPBACK) for one in prepared.command]
    kept.remove(f"-s3.port={probe.port}")
    kept.remove("-metricsPort=9324")
    command = [*kept, *(f"-{name}={port}" for name, port in ports.items())]
    async with OfChart(prepared, command=command, probe=probe.copy_with(port=ports["s3.port"])):
        yield ports


PARTS = ("master", "volume", "filer")


async def make_bucket(rendered: Rendered, root: Path, endpoint: str) -> int | None:
    """Run the Job that makes the bucket, once."""
    job = prepare(rendered, "bucket", root)
    program = Path(sys.executable).with_name(job.command[0])
    process = await asyncio.create_subprocess_exec(
        program, *job.command[1:], env={**job.environment, "ISTHMUS_S3__ENDPOINT": endpoint}
    )
    return await process.wait()


async def test_each_service_does_its_part_in_the_store_and_no_more(
    rendered: Rendered, s3: Mapping[str, int], tmp_path: Path
) -> None:
    endpoint = f"{LOOPBACK}:{s3['s3.port']}"
    # The interface answers before all of it is there: in a cluster the Job begins anew as well.
    async with asyncio.timeout(PATIENCE):
        while await make_bucket(rendered, tmp_path / "job", endpoint) != 0:
            pass
    await asyncio.to_thread(_use, rendered, endpoint)


def _use(rendered: Rendered, endpoint: str) -> None:
    clients = {
        name: Minio(
            endpoint,
            access_key=name,
            secret_key=rendered.secret(name)["s3_secret_key"],
            secure=False,
            region="us-east-1",
        )
        for name in ("wado", "stow", "dimse-scu")
    }
    clients["dimse-scu"].put_object("isthmus", "held/pacs/1", BytesIO(b"blob"), 4)
    assert clients["wado"].get_object("isthmus", "held/pacs/1").read() == b"blob"
    for name in ("wado", "stow"):
        with pytest.raises(S3Error) as refused:
            clients[name].put_object("isthmus", "held/pacs/2", BytesIO(b"blob"), 4)
        assert refused.value.code == "AccessDenied"


async def test_the_store_tells_how_full_its_disk_is(s3: Mapping[str, int]) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        url = f"http://{LOOPBACK}:{s3['metricsPort']}/metrics"
        name = "SeaweedFS_volumeServer_resource"
        async with asyncio.timeout(PATIENCE):
            while name not in (there := told((await client.get(url)).text)):
                pass
    assert there[name] == OF_OTHERS[name] - OF_THE_SCRAPE


async def test_what_is_behind_the_store_talks_to_nobody_else(s3: Mapping[str, int]) -> None:
    for name in (one for one in s3 if one.endswith(".grpc")):
        answer = await asyncio.to_thread(_first_bytes, s3[name])
        assert answer[:1] in (b"", bytes([TLS_ALERT])), name


def _first_bytes(port: int) -> bytes:
    """Begin as a client of gRPC without TLS, and give what is answered."""
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as client:
        client.sendall(PREFACE)
        try:
            return client.recv(64)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("values", ["ingress", "everything"], ids=["in clear", "TLS"])
async def test_the_gateway_says_that_it_is_ready_to_who_asks_its_pod(values: str, tmp_path: Path) -> None:
    _, certificate, key = own_certificate("gateway")
    given = {"gateway-tls": {"tls.crt": certificate, "tls.key": key}}
    rendered = render(read(Path(__file__).parent / "values" / f"{values}.yaml"))
    prepared = prepare(rendered, "gateway", tmp_path, given)
    probe = probed(rendered.container("gateway"))
    assert prepared.environment["GATEWAY_PORT"] == str(probe.port)
    (port,) = free_ports(1)
    here = {"GATEWAY_HOST": LOOPBACK, "GATEWAY_PORT": str(port), "HOME": str(tmp_path)}
    command, there = prepared.command, probe.copy_with(port=port)
    gateway = OfChart(prepared, command=command, probe=there, environment=here)
    async with gateway:
        assert gateway.pid
