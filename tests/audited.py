"""What is in the stream of audit records."""

from contextlib import aclosing

from isthmus.common.bus import Bus, subjects
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.bus.streams import AUDIT
from isthmus.common.messages import decode
from isthmus.common.messages.audit import AuditRecord

NO_RECORD = b"{}"


async def audited(
    bus: Bus, *, origin: str | None = None, service: str | None = None, outcome: str | None = None
) -> list[AuditRecord]:
    """Give the records that are there now, the oldest first; but for what another test has put there."""
    subject = subjects.audits(origin=origin, service=service, outcome=outcome)
    reading = read_ordered(bus, AUDIT, subject, since=None, follow=False)
    async with aclosing(reading) as messages:
        return [decode(one.data, AuditRecord) async for one in messages if one.data != NO_RECORD]
