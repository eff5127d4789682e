"""Events of one study, as they come from an inbox."""

from typing import Final

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.messages.events import (
    Blob,
    CloudEvent,
    EventType,
    InstanceBlob,
    InstanceEvent,
    Reason,
    SeriesCount,
    StudyEvent,
    timestamp,
)

PATIENT: Final = "Doe^Jane"
ATTRIBUTES: Final[DicomJson] = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": PATIENT}]}}


def instance(origin: str, number: int = 1, calling_ae_title: str | None = "CT1") -> CloudEvent[InstanceEvent]:
    """Give the event of an instance; of the second one, other bytes are there."""
    uid = f"2.25.1.1.{number}"
    return CloudEvent(
        id=f"{origin}-{uid}",
        type=EventType.INSTANCE_STORED,
        time=timestamp(1_714_557_600),
        data=InstanceEvent(
            origin=origin,
            study="2.25.1",
            series="2.25.1.1",
            instance=uid,
            sop_class="1.2.840.10008.5.1.4.1.1.2",
            transfer_syntax="1.2.840.10008.1.2.1",
            digest="ab" * 32,
            blob=Blob("isthmus", f"inbox/{number}", 527_360),
            url=f"http://127.0.0.1:8080/aets/{origin}/studies/2.25.1/series/2.25.1.1/instances/{uid}",
            attributes=ATTRIBUTES,
            calling_ae_title=calling_ae_title,
            conflict="newest" if number == 2 else None,
        ),
    )


def study(
    origin: str, kind: EventType = EventType.STUDY_ARRIVED, uid: str = "2.25.1"
) -> CloudEvent[StudyEvent]:
    """Give the event of a study of one instance; each has an id of its own."""
    its = instance(origin).data
    blob = InstanceBlob(
        its.blob.bucket,
        its.blob.key,
        its.blob.size,
        its.series,
        its.instance,
        its.sop_class,
        its.transfer_syntax,
        its.digest,
    )
    arrived = kind is EventType.STUDY_ARRIVED
    return CloudEvent(
        id=f"{origin}-{uid}-{kind}",
        type=kind,
        time=timestamp(1_714_557_630),
        data=StudyEvent(
            origin=origin,
            study=uid,
            revision=1 if arrived else 2,
            instances=1,
            size=527_360,
            complete=True if arrived else "assumed",
            reason=Reason.COUNT if arrived else Reason.QUIET,
            url=f"http://127.0.0.1:8080/aets/{origin}/studies/{uid}",
            series=(SeriesCount("2.25.1.1", "CT", 1, 527_360),),
            modalities={"CT": 1},
            attributes=ATTRIBUTES,
            blobs=(blob,),
            new_instances=1,
            conflicts=() if arrived else ("patient",),
            calling_ae_titles=("CT1",) if arrived else (),
        ),
    )
