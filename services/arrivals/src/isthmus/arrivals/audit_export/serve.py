"""The export of audit records: in their order, and after an outage from where it was."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from isthmus.arrivals.audit_export.syslog import SyslogAway, SyslogConnection
from isthmus.arrivals.audit_export.xml import audit_message
from isthmus.common.bus import end_tasks
from isthmus.common.bus.audit import keep_for
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.consumer import Consumer, keeping
from isthmus.common.bus.streams import AUDIT
from isthmus.common.bus.tracing import processing
from isthmus.common.config.audit import Audit, Syslog
from isthmus.common.errors import ContractError, UnavailableError
from isthmus.common.messages import decode
from isthmus.common.messages.audit import AuditRecord
from isthmus.common.service import Parts
from isthmus.common.telemetry import TRACEPARENT, Link, get_logger, links_from
from isthmus.common.telemetry.instruments import audit_exported

CONSUMER: Final = "audit-export"
APPLICATION: Final = "isthmus"
"""APP-NAME of the messages (RFC 5424 6.2.5)."""
AT_ONCE: Final = 100
"""Records that are sent before it is waited for their arrival."""
LINGER_SECONDS: Final = 0.02
ACK_WAIT: Final = 30.0
"""Seconds after which what a replica that says nothing had goes to another one."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
KEEP_SECONDS: Final = 60.0
"""Between two looks at for how long the stream keeps records."""

log = get_logger(__name__)


@asynccontextmanager
async def audit_export(parts: Parts, first_pause: float = FIRST_PAUSE) -> AsyncIterator[None]:
    """Keep records as long as the settings say, and tell them to the syslog server there, until left.

    Args:
        parts: what it stands on.
        first_pause: seconds until a server that is away is tried again; each pause is twice the last one.
    """
    settings = parts.settings.audit
    loops = [_keep(parts.bus, settings)]
    if settings.syslog is not None:
        loops.append(_export(parts.bus, settings, settings.syslog, first_pause))
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            await end_tasks(running)


async def _keep(bus: Bus, settings: Audit) -> None:
    """See again and again that records are kept for long enough: NATS may have come back without them."""
    while True:
        try:
            await keep_for(bus, settings.keep_days)
        except UnavailableError as error:
            log.warning("not seen to how long audit records are kept", detail=error.detail)
        await asyncio.sleep(KEEP_SECONDS)


async def _export(bus: Bus, settings: Audit, syslog: Syslog, first_pause: float) -> None:
    connection = SyslogConnection(syslog, APPLICATION)
    consumer = ConsumerConfig(
        durable_name=CONSUMER,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        max_ack_pending=2 * AT_ONCE,
    )
    queue = Consumer(bus, AUDIT, consumer)
    try:
        async with aclosing(queue.batches(AT_ONCE, LINGER_SECONDS)) as batches:
            async for batch in batches:
                async with keeping(dict(enumerate(batch))):
                    with processing(batch[0].subject, links=_links(batch)):
                        await _send(connection, _written(batch, settings.source), first_pause)
                await _done(batch)
    finally:
        await connection.close()


def _links(batch: Sequence[Msg]) -> Sequence[Link]:
    return links_from((message.headers or {}).get(TRACEPARENT) for message in batch)


async def _send(
    connection: SyslogConnection, messages: Sequence[tuple[str, bytes]], first_pause: float
) -> None:
    """Send messages, however long it takes."""
    pause = 0.0
    while True:
        try:
            await connection.send(messages)
        except SyslogAway as error:
            if not pause:
                log.warning("the syslog server of the audit is away", reason=str(error))
            pause = min(LONGEST_PAUSE, 2 * pause or first_pause)
            await asyncio.sleep(pause)
        else:
            if pause:
                log.info("the syslog server of the audit is back")
            audit_exported.add(len(messages))
            return


def _written(batch: Sequence[Msg], source: str) -> list[tuple[str, bytes]]:
    written = []
    for message in batch:
        try:
            record = decode(message.data, AuditRecord)
        except ContractError as error:  # of a later version of ours; the stream has it
            log.error("an audit record is not understood", detail=error.detail)
            continue
        written.append((record.time, audit_message(record, source)))
    return written


async def _done(batch: Sequence[Msg]) -> None:
    """Be done with messages; one of which NATS does not hear is told twice."""
    with suppress(UnavailableError, nats.errors.Error), bus_errors("acknowledge"):
        for message in batch:
            await message.ack_sync(timeout=5)
