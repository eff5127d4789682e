"""A C-MOVE to ourselves, and who takes what comes: scp, or, while nothing runs, we in its place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from isthmus.cli.doctor import moving
from isthmus.cli.doctor.acquainted import is_acquainted
from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Unclear, Wrong
from isthmus.cli.doctor.pacs import Pacs
from isthmus.cli.doctor.queries import Instance
from isthmus.cli.doctor.receiver import Arrivals, receiving
from isthmus.cli.doctor.surroundings import Surroundings
from isthmus.cli.run_file import RunFile, ScpPart
from isthmus.common.auth import Grants, Policy
from isthmus.common.bus import Bus
from isthmus.common.bus.granted import Gate
from isthmus.common.bus.received import serve_received
from isthmus.common.dicom.statuses import SUCCESS
from isthmus.common.errors import SettingsError, UnavailableError
from isthmus.common.messages import Received, ReceivedAnswer

_NAME: Final = "isthmus doctor"


async def move_and_wait(pacs: Pacs, instance: Instance, around: Surroundings) -> str:
    """Have an instance sent to us; gives what came.

    Raises:
        Wrong: it does not come.
        Unclear: nobody can be there to take it.
    """
    host, port, _ = around.scp_port
    if not port:
        raise Unclear("scp.listen names no port of its own (0): a PACS cannot know it")
    async with _taking(pacs, instance, around) as arrivals:
        moved = await moving.move_one(pacs, instance)
        await asyncio.to_thread(arrivals.arrived.wait, 0 if moved.has_failed else moving.LATE_SECONDS)
    if moved.is_unexplained and not arrivals.connections:
        moved = replace(moved, is_acquainted=await asyncio.to_thread(is_acquainted, pacs))
    return moving.judge(moved, arrivals, pacs, host)


@asynccontextmanager
async def _taking(pacs: Pacs, instance: Instance, around: Surroundings) -> AsyncIterator[Arrivals]:
    if around.running is not None:
        if around.running.scp.port:
            await _check_scp(around.running.scp, around.patience.connect)
        async with _by_scp(pacs, instance, around.running, around) as arrivals:
            yield arrivals
        return
    try:
        with receiving(around.settings.scp) as arrivals:
            yield arrivals
    except OSError as error:
        raise Unclear(f"our port cannot be listened on: {error.strerror}") from None
    except ValueError:
        raise Unclear("a file of scp.tls cannot be used: see settings") from None


@asynccontextmanager
async def _by_scp(
    pacs: Pacs, instance: Instance, run: RunFile, around: Surroundings
) -> AsyncIterator[Arrivals]:
    """Hear of what comes to scp, as a worker does that has asked for it."""
    arrivals = Arrivals(sees_connections=False)

    async def take(_: Received) -> ReceivedAnswer:
        arrivals.instances += 1
        arrivals.arrived.set()
        return ReceivedAnswer(SUCCESS)

    gate = Gate(Grants(run.signing_key or None, _NAME), Policy.of(around.settings))
    try:
        bus = await Bus.connect(run.nats.settings, _NAME, gate, patience=around.patience.connect)
        try:
            serving = await serve_received(bus, pacs.origin.name, instance.study, take)
            try:
                yield arrivals
            finally:
                await serving.finish()
        finally:
            await bus.close()
    except (UnavailableError, SettingsError) as error:
        raise Unclear(f"what comes to scp cannot be heard of: {error.detail}") from None


async def _check_scp(scp: ScpPart, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(scp.host, scp.host)  # noqa: S104  # it listens so
            _, writer = await asyncio.open_connection(host, scp.port)
    except OSError:
        raise Wrong(
            Cause.SCP_SILENT,
            Side.OURS,
            f"our own scp takes no connections at {scp.host}:{scp.port}, though the system runs",
            "see what isthmus up, or the log of the container, says of scp; start it anew",
            "in Kubernetes nobody reaches it from here without operator.reachesPacs: true (deploy/README.md)",
        ) from None
    writer.close()
