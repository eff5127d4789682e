"""Audit records on their way into the stream AUDIT, and for how long it keeps them."""

import time
from typing import Final

from isthmus.common.auth import Principal
from isthmus.common.bus import subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.streams import AUDIT
from isthmus.common.bus.tracing import sending
from isthmus.common.messages import encode
from isthmus.common.messages.audit import AuditRecord, Outcome
from isthmus.common.messages.events import timestamp
from isthmus.common.telemetry import current_trace_id, get_logger, inject

DAY_SECONDS: Final = 86_400.0

log = get_logger(__name__)


def now() -> str:
    """Give the time of a record."""
    return timestamp(time.time())


def record_of(service: str, action: str, principal: Principal) -> AuditRecord:
    """Give what a record has in any case, of something that was done just now.

    Args:
        service: which of our services tells it.
        action: what was wanted, in the words of its protocol.
        principal: who wanted it.
    """
    return AuditRecord(
        time=now(),
        service=service,
        action=action,
        outcome=Outcome.ACCEPTED,
        kind=principal.kind,
        name=principal.name,
        address=principal.address,
        certificate=principal.certificate,
        calling_ae_title=principal.ae_title,
        trace_id=trace_id(),
    )


async def audit(bus: Bus, record: AuditRecord) -> None:
    """Publish a record, durably: when this returns it is on disk.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    subject = subjects.audit(record.service, record.event, record.outcome, record.origin)
    with sending(subject), bus_errors("dicom.audit"):
        await bus.jetstream.publish(subject, encode(record), headers=inject())


def trace_id() -> str:
    """Give the id of the trace that a record is of; empty where there is none."""
    return current_trace_id() or ""


async def keep_for(bus: Bus, days: float) -> None:
    """Have records kept for so long; those that are older go at once.

    Raises:
        BusUnavailable: NATS does not do it.
    """
    with bus_errors("dicom.audit"):
        there = (await bus.jetstream.stream_info(AUDIT)).config
        seconds = days * DAY_SECONDS
        if there.max_age != seconds:
            await bus.jetstream.update_stream(there.evolve(max_age=seconds))
            log.info("audit records are kept", days=days)
