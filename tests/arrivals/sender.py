"""Who tells arrivals what came in: the events of scp and stow, without their blobs."""

import asyncio
import hashlib
from collections.abc import Iterable
from typing import Any, Literal

from isthmus.common.blobs import inbox_key
from isthmus.common.bus import Bus
from isthmus.common.bus.events import publish_event, tell
from isthmus.common.messages import AssociationEnded, InstancesReported
from isthmus.common.messages.events import Blob, CloudEvent, EventType, InstanceEvent, timestamp

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


class Sender:
    """Sends instances to an inbox."""

    def __init__(self, bus: Bus, origin: str) -> None:
        self._bus = bus
        self._origin = origin

    def event(
        self,
        study: str,
        number: int,
        *,
        series: int = 1,
        content: str = "",
        patient: str = "4711",
        modality: str = "CT",
        association: str | None = None,
        conflict: Literal["newest", "first"] | None = None,
        life: int = 0,
        traceparent: str | None = None,
    ) -> CloudEvent[InstanceEvent]:
        """Give the event of an instance; its UID is told by `series` and `number`, its bytes by `content`."""
        series_uid, uid = f"{study}.{series}", f"{study}.{series}.{number}"
        digest = hashlib.sha256(f"{uid} {content}".encode()).hexdigest()
        key = inbox_key(self._origin, study, series_uid, uid, digest, life)
        data = InstanceEvent(
            origin=self._origin,
            study=study,
            series=series_uid,
            instance=uid,
            sop_class=CT,
            transfer_syntax=EXPLICIT,
            digest=digest,
            blob=Blob("isthmus", key, 1000),
            url=f"http://gateway/aets/{self._origin}/studies/{study}",
            attributes={
                "00080060": {"vr": "CS", "Value": [modality]},
                "00081030": {"vr": "LO", "Value": ["Thorax"]},
                "00100020": {"vr": "LO", "Value": [patient]},
                "00200013": {"vr": "IS", "Value": [number]},
            },
            calling_ae_title="CT1",
            association=association,
            conflict=conflict,
        )
        named = f"{self._origin} {life} {uid} {digest}"
        return CloudEvent(
            id=hashlib.sha256(named.encode()).hexdigest(),
            type=EventType.INSTANCE_STORED,
            data=data,
            time=timestamp(1_700_000_000.0),
            traceparent=traceparent,
        )

    async def instances(self, study: str, numbers: Iterable[int], **what: Any) -> None:  # noqa: ANN401  # what `event` takes
        """Tell that instances were stored."""
        for chunk in _chunks([self.event(study, number, **what) for number in numbers]):
            await asyncio.gather(*(publish_event(self._bus, event) for event in chunk))

    async def ended(self, study: str, association: str) -> None:
        """Tell that an association is over."""
        await tell(self._bus, AssociationEnded(self._origin, study, association))

    async def reported(self, study: str, *instances: str, final: bool = True) -> None:
        """Tell what a modality says that it made."""
        await tell(self._bus, InstancesReported(self._origin, study, f"{study}.9", instances, final))


def _chunks(events: list[CloudEvent[InstanceEvent]]) -> Iterable[list[CloudEvent[InstanceEvent]]]:
    for start in range(0, len(events), 100):
        yield events[start : start + 100]
