"""Audit records on their way into the stream AUDIT."""

from isthmus.common.bus import subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.messages import encode
from isthmus.common.messages.audit import AuditRecord
from isthmus.common.telemetry import inject


async def audit(bus: Bus, record: AuditRecord) -> None:
    """Publish a record, durably.

    Raises:
        BusUnavailable: NATS does not take it.
    """
    subject = subjects.audit(record.service, record.outcome)
    with bus_errors("dicom.audit"):
        await bus.jetstream.publish(subject, encode(record), headers=inject())
