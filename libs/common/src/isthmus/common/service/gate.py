"""Who may ask a service for what over the bus, by its settings; and what is written down of refusals."""

from dataclasses import replace
from functools import partial

from isthmus.common.auth import Grants, Policy, Principal
from isthmus.common.auth.principal import Kind
from isthmus.common.bus import Bus
from isthmus.common.bus.audit import audit, record_of
from isthmus.common.bus.granted import Gate, Refusal
from isthmus.common.config import Settings
from isthmus.common.errors import BusUnavailable, SettingsError
from isthmus.common.messages.audit import AuditEvent, AuditType, Outcome
from isthmus.common.telemetry import get_logger

_NOBODY = Principal(Kind.ANYONE)

log = get_logger(__name__)


def gate_of(settings: Settings, service: str) -> Gate:
    """Make the gate of a service's connection.

    Args:
        settings: the rules, and the key by which services know each other's decisions.
        service: which of them this is.

    Raises:
        SettingsError: there are rules, but no key: a worker could not tell who asks; or its file has none.
    """
    access = settings.access
    try:
        key = access.signing_secret
    except ValueError as error:
        raise SettingsError(f"access.signing_key_file: {access.signing_key_file}: {error}") from None
    if key is None and not access.is_open:
        raise SettingsError(
            "access.rules: services that are run alone need access.signing_key or access.signing_key_file, "
            "the same for all of them; isthmus up makes one by itself"
        )
    return Gate(Grants(key, service), Policy.of(settings))


def record_refusals(bus: Bus, service: str) -> None:
    """Have the audit tell what the gate of a connection refuses."""
    bus.gate.record = partial(_record, bus, service)


async def _record(bus: Bus, service: str, refusal: Refusal) -> None:
    record = replace(
        record_of(service, refusal.action, refusal.principal or _NOBODY),
        outcome=Outcome.REFUSED,
        event=AuditEvent.SECURITY_ALERT,
        event_type=AuditType.USE_OF_RESTRICTED_FUNCTION,
        reason=refusal.reason,
        origin=refusal.origin,
    )
    try:
        await audit(bus, record)
    except BusUnavailable as error:
        log.warning("an audit record is in the log alone", reason=error.detail)
