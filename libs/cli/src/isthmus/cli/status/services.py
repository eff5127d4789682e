"""How the services are doing: each replica asked at its own address, and NATS, S3 and the gateway."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

import httpx2
import orjson

from isthmus.cli.client import GatewayAway, trusting, why_away
from isthmus.cli.run_file import ProcessPart, RunFile
from isthmus.cli.status import patience
from isthmus.cli.status.metrics import Numbers
from isthmus.cli.status.model import Health, Service

_NAMES: Final = {"nats": "NATS", "s3": "S3"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a process said of itself."""

    service: Service
    numbers: Numbers | None = None
    """None where it tells none."""


async def ask_services(run: RunFile) -> Sequence[Asked]:
    """Ask all services that have an address whether they are ready, and for their numbers, at the same time.

    A host name may stand for several replicas: each of its addresses is one.
    """
    with_address = [one for one in run.processes if one.address is not None]
    replicas = [found for each in await asyncio.gather(*map(_replicas, with_address)) for found in each]
    async with httpx2.AsyncClient(trust_env=False, timeout=patience.LOOK_SECONDS) as http:
        return await asyncio.gather(*(_ask(http, one, run.metrics_key) for one in replicas))


async def ask_gateway(run: RunFile) -> tuple[Health, str | None]:
    """Ask whether anybody answers where clients go, and why not."""
    try:
        context = trusting(run)
    except GatewayAway as error:
        return Health.AWAY, error.detail
    try:
        async with httpx2.AsyncClient(verify=context, trust_env=False, timeout=patience.LOOK_SECONDS) as http:
            await http.get(run.gateway)
    except httpx2.TimeoutException:
        return Health.SILENT, f"no answer within {patience.LOOK_SECONDS:g} s"
    except httpx2.TransportError as error:
        return Health.AWAY, f"{why_away(error)} at {run.gateway}"
    return Health.READY, None


def described(process: ProcessPart, health: Health, reason: str | None = None) -> Service:
    """Describe a process that was asked; one that has ended is away, whatever was heard."""
    ended = _why_ended(process)
    return Service(
        process.name,
        process.replica,
        health if ended is None else Health.AWAY,
        reason if ended is None else ended,
        process.pid,
        process.since,
        process.restarts if process.since is not None else None,
    )


async def _replicas(process: ProcessPart) -> Sequence[ProcessPart]:
    """Give a process for each address of its host name; itself where that is an address, or has none."""
    host, _, port = (process.address or "").rpartition(":")
    if _is_address(host):
        return [process]
    addresses = await _addresses(host, port)
    return [
        process.model_copy(update={"address": address, "replica": number if len(addresses) > 1 else 0})
        for number, address in enumerate(addresses, start=1)
    ] or [process]


async def _addresses(host: str, port: str) -> Sequence[str]:
    """Look up a host name, and give its addresses of IPv4, or else of IPv6, each with the port."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience.LOOK_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return []
    ipv4 = sorted({place[0] for family, *_, place in found if family == socket.AF_INET})
    ipv6 = sorted({place[0] for family, *_, place in found if family == socket.AF_INET6})
    return [f"{one}:{port}" for one in ipv4] or [f"[{one}]:{port}" for one in ipv6]


async def _ask(http: httpx2.AsyncClient, process: ProcessPart, key: str) -> Asked:
    if _why_ended(process) is not None:
        return Asked(described(process, Health.AWAY))
    (health, reason), numbers = await asyncio.gather(_readiness(http, process), _numbers(http, process, key))
    return Asked(described(process, health, reason), numbers)


def _why_ended(process: ProcessPart) -> str | None:
    """Say how a process ended that is to be started again; None of one that runs, as far as is known."""
    if process.pid is not None or process.since is None:
        return None
    return f"{process.ended or 'ended'}; it is started again"


async def _readiness(http: httpx2.AsyncClient, process: ProcessPart) -> tuple[Health, str | None]:
    try:
        answer = await http.get(f"http://{process.address}/readyz")
    except httpx2.ConnectError:
        if process.pid is not None:
            return Health.SILENT, _starts(process)
        return Health.AWAY, f"nobody listens at {process.address}"
    except httpx2.TimeoutException:
        return Health.SILENT, f"no answer within {patience.LOOK_SECONDS:g} s"
    except httpx2.TransportError as error:
        return Health.SILENT, f"it broke off ({type(error).__name__})"
    if answer.status_code == HTTPStatus.OK:
        return Health.READY, None
    return Health.NOT_READY, _lacks(answer)


def _starts(process: ProcessPart) -> str:
    return f"it starts again: {process.ended}" if process.ended is not None else "it does not listen"


def _lacks(answer: httpx2.Response) -> str:
    """Say what a service lacks, by its `/readyz`."""
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        said = None
    lacking = [_NAMES[part] for part in _NAMES if isinstance(said, Mapping) and said.get(part) is False]
    if not lacking:
        return f"HTTP {answer.status_code}"
    return f"{' and '.join(lacking)} {'does' if len(lacking) == 1 else 'do'} not answer it"


async def _numbers(http: httpx2.AsyncClient, process: ProcessPart, key: str) -> Numbers | None:
    host = (process.address or "").rpartition(":")[0]
    # On loopback everybody may see them, and who listens there now need not be ours.
    is_ours = not (_is_address(host) and ip_address(host.strip("[]")).is_loopback)
    headers = {"Authorization": f"Bearer {key}"} if key and is_ours else {}
    try:
        answer = await http.get(f"http://{process.address}/metrics", headers=headers)
        return Numbers.read(answer.text) if answer.status_code == HTTPStatus.OK else None
    except (httpx2.TransportError, ValueError):
        return None


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
