"""`isthmus audit`: who did what with which study. It shows patients' identifiers: that is what it is for."""

import base64
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import orjson
from nats.aio.msg import Msg

from isthmus.cli.connected import connected
from isthmus.cli.output import write_error, write_line
from isthmus.cli.recording import record_own
from isthmus.common.bus import subjects
from isthmus.common.bus.ordered import read_ordered
from isthmus.common.bus.streams import AUDIT
from isthmus.common.errors import ContractError
from isthmus.common.messages import decode
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditRecord, Outcome


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records; all that is named must hold."""

    patient: str | None = None
    who: str | None = None
    """The label, the name, the AE title, or the address."""
    study: str | None = None
    origin: str | None = None
    event: AuditEvent | None = None
    outcome: Outcome | None = None

    def is_met_by(self, record: AuditRecord) -> bool:
        """Tell whether a record is one of them, as far as its subject has not said so."""
        known_as = (record.who, record.name, record.calling_ae_title, record.address)
        return (
            (self.patient is None or self.patient in record.patients)
            and (self.study is None or self.study in record.studies)
            and (self.who is None or self.who in known_as)
        )

    def __str__(self) -> str:
        named = ((name, value) for name, value in asdict(self).items() if value is not None)
        return "&".join(f"{name}={value}" for name, value in named)


async def show_audit(
    data: Path, wanted: Wanted, *, since: datetime | None = None, follow: bool = False, as_json: bool = False
) -> None:
    """Print audit records, the oldest first; that somebody read them is recorded too, and before.

    That there are none is said too, on standard error: nothing would look as if nothing had been done.

    Args:
        data: the data folder of a running system.
        wanted: which.
        since: from when on; None: all that are kept, or, when following, only new ones.
        follow: whether to wait for more, until cancelled.
        as_json: each as an object in a line.

    Raises:
        NotRunning: nothing runs with the data folder.
        BusUnavailable: NATS does not answer; following waits for it once it has begun.
    """
    subject = subjects.audits(event=wanted.event, outcome=wanted.outcome, origin=wanted.origin)
    async with connected(data, "isthmus audit") as system:
        used = ActionCode.READ
        await record_own(system.bus, "isthmus audit", AuditEvent.AUDIT_LOG_USED, used, query=str(wanted))
        shown = 0
        reading = read_ordered(system.bus, AUDIT, subject, since=since, follow=follow)
        async with aclosing(reading) as messages:
            async for message in messages:
                for line in _lines(message, wanted, as_json=as_json):
                    write_line(line)
                    sys.stdout.flush()
                    shown += 1
    if not shown:
        write_error("no record that is kept is one of these")


def _lines(message: Msg, wanted: Wanted, *, as_json: bool) -> Iterator[str]:
    try:
        record = decode(message.data, AuditRecord)
    except ContractError as error:
        if not as_json:
            yield f"{message.subject}  not understood: {error.detail}"
        return
    if wanted.is_met_by(record):
        yield _json(record) if as_json else _line(record)


def _json(record: AuditRecord) -> str:
    fields = {**asdict(record), "identifier": base64.b64encode(record.identifier).decode()}
    return orjson.dumps(
        {name: value for name, value in fields.items() if value not in ("", (), None)}
    ).decode()


def _line(record: AuditRecord) -> str:
    """Tell of a record in a line, without what could move the cursor."""
    address = f" ({record.address})" if record.address not in ("", record.who) else ""
    line = (
        f"{record.time}  {record.outcome:<8}  {record.event:<21}  {record.action:<8}  "
        f"{record.who or 'nobody known'}{address}  {'  '.join(_about(record))}"
    )
    return "".join(character if character.isprintable() else "?" for character in line).rstrip()


def _about(record: AuditRecord) -> Iterator[str]:
    if record.origin:
        yield record.origin
    if record.studies:
        yield f"study {', '.join(record.studies)}"
    if record.series:
        yield f"series {record.series}"
    if record.instance:
        yield f"instance {record.instance}"
    if record.patients:
        yield f"patient {', '.join(record.patients)}"
    if record.instances is not None:
        yield f"{record.instances} instances"
    if record.destination:
        yield f"to {record.destination}"
    if record.query:
        yield f"?{record.query}"
    if record.reason:
        yield f"- {record.reason}"
