"""Records of what goes to destinations and webhooks, each on disk before it is off its queue (PS3.15 A.5)."""

from dataclasses import replace
from typing import Any, Final

from isthmus.common.access.audit_trail import AuditTrail
from isthmus.common.access.patients import Patients
from isthmus.common.auth import Kind, Principal
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.audit import record_of
from isthmus.common.errors import ContractError
from isthmus.common.messages import Forwarding
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditRecord, Outcome
from isthmus.common.messages.cloud_events import from_json
from isthmus.common.messages.events import CloudEvent

SERVICE: Final = "arrivals"
_PATIENT_ID: Final = "00100020"


class Exports:
    """Writes them."""

    def __init__(self, bus: Bus, blobs: BlobStore | None = None) -> None:
        """Prepare.

        Args:
            bus: where the stream is.
            blobs: where it is read whose instances are, that say so only themselves.
        """
        self._trail = AuditTrail(bus, SERVICE, None if blobs is None else Patients(blobs))

    async def forwarded(self, forwarding: Forwarding, destination: str, *, stored: int, refused: int) -> None:
        """Record what a destination took of a study, and what it refused.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        if not stored and not refused:
            return
        first = forwarding.blobs[0] if forwarding.blobs else None
        record = replace(
            _export("forward", destination),
            origin=forwarding.origin,
            studies=(forwarding.study,),
            patients=await self._trail.patients_of(forwarding.origin, forwarding.study, first),
            instances=stored,
        )
        if refused:
            record = replace(record, outcome=Outcome.FAILED, reason=f"{refused} refused")
        await self._trail.write(record)

    async def told(self, webhook: str, event: bytes) -> None:
        """Record that a webhook was told of a study; of its instances once in a minute.

        Raises:
            BusUnavailable: NATS does not take it.
        """
        record = _export("webhook", webhook)
        try:
            data: CloudEvent[Any] = from_json(event)
        except ContractError:  # of another version of ours: what it was about nobody here can say
            await self._trail.write(record)
            return
        about = data.data
        values = about.attributes.get(_PATIENT_ID, {}).get("Value") or []
        record = replace(
            record,
            action=f"webhook {data.type.value}",
            origin=about.origin,
            studies=(about.study,),
            patients=tuple(str(one) for one in values if one),
        )
        await self._trail.write_once(record, (webhook, data.type.value, about.origin, about.study))


def _export(action: str, destination: str) -> AuditRecord:
    return replace(
        record_of(SERVICE, action, Principal(Kind.SERVICE, SERVICE)),
        event=AuditEvent.EXPORT,
        action_code=ActionCode.READ,
        destination=destination,
    )
