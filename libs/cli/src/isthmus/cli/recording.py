"""Audit records of what the commands do, on behalf of whoever runs them."""

import getpass
from dataclasses import replace
from typing import Final

from isthmus.common.auth import Kind, Principal
from isthmus.common.bus import Bus
from isthmus.common.bus.audit import audit, record_of
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditType

SERVICE: Final = "isthmus"
"""As which service the commands tell what they do."""


async def record_own(
    bus: Bus,
    action: str,
    event: AuditEvent,
    code: ActionCode,
    *,
    event_type: AuditType | None = None,
    reason: str = "",
    origin: str = "",
    study: str = "",
    query: str = "",
) -> None:
    """Record what a command does, on behalf of whoever runs it.

    Args:
        bus: the connection.
        action: the command: `isthmus key create`.
        event: what happens by it.
        code: what is done.
        event_type: what in particular.
        reason: what is changed; without secrets.
        origin: of which origin it is.
        study: Study Instance UID.
        query: what is asked for.

    Raises:
        BusUnavailable: NATS does not take it: then it must not be done.
    """
    record = replace(
        record_of(SERVICE, action, Principal(Kind.OPERATOR, user_name())),
        event=event,
        event_type=event_type,
        action_code=code,
        reason=reason,
        origin=origin,
        studies=(study,) if study else (),
        query=query,
        resource="dicom.audit" if event is AuditEvent.AUDIT_LOG_USED else "",
    )
    await audit(bus, record)


def user_name() -> str:
    """Give the name of whoever runs a command, as the system knows him."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number alone
        return "unknown"
