"""What Performed Procedure Steps and Instance Availability Notifications name (PS3.4 Annexes F and R)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydicom.dataset import Dataset

from isthmus.common.dicom.statuses import INVALID_ATTRIBUTE_VALUE, MISSING_ATTRIBUTE, MISSING_ATTRIBUTE_VALUE
from isthmus.scp.normalized import Refused, items_of, text_of, uid_of


class StepStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252; PS3.3 C.4.14)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


_STATUS: Final = "PerformedProcedureStepStatus"
_SERIES: Final = "PerformedSeriesSequence"
_REQUIRED: Final = (
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "Modality",
)
"""Beside those that are read: what is of type 1 for an N-CREATE (PS3.4 Table F.7.2-1)."""
_INSTANCES: Final = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")
_AVAILABILITIES: Final = frozenset({"ONLINE", "NEARLINE", "OFFLINE", "UNAVAILABLE"})
"""Of Instance Availability (0008,0056; PS3.3 C.4.23.1.1)."""
_UNAVAILABLE: Final = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Named:
    """What a notification, or a step that begins, names."""

    studies: tuple[str, ...]
    instances: tuple[str, ...] = ()
    has_series: bool = False
    of_step: bool = False
    """Whether a notification says that its instances are those of a Performed Procedure Step."""
    patient_id: str = ""
    """Patient ID (0010,0020), where it names one."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an N-SET changes of a step; None: not that."""

    status: StepStatus | None
    instances: tuple[str, ...] | None
    has_series: bool = False


def read_new_step(data: Dataset) -> Named:
    """Read the Attribute List of an N-CREATE of a Modality Performed Procedure Step (PS3.4 F.7.2.1).

    Raises:
        Refused: 0120 and 0121 for an attribute that lacks, or lacks a value, 0106 for a wrong value.
    """
    scheduled = _items(data, "ScheduledStepAttributesSequence")
    studies = tuple(dict.fromkeys(_uid(item, "StudyInstanceUID") for item in scheduled))
    for keyword in _REQUIRED:
        _text(data, keyword)
    if _text(data, _STATUS) != StepStatus.IN_PROGRESS:
        raise Refused(INVALID_ATTRIBUTE_VALUE, f"{_STATUS} of a new step is not IN PROGRESS")
    performed, has_series = tuple(_performed(data)), bool(items_of(data, _SERIES))
    return Named(studies, performed, has_series, patient_id=_patient_id(data))


def read_change(data: Dataset) -> Change:
    """Read the Modification List of an N-SET of a Modality Performed Procedure Step (PS3.4 F.7.2.2).

    Raises:
        Refused: 0120 and 0121 for an attribute that lacks, or lacks a value, 0106 for a wrong value.
    """
    status: StepStatus | None = None
    if _STATUS in data:
        text = _text(data, _STATUS)
        if text not in set(StepStatus):
            raise Refused(INVALID_ATTRIBUTE_VALUE, f"{_STATUS} has none of its defined terms")
        status = StepStatus(text)
    if _SERIES not in data:
        return Change(status, None)
    return Change(status, tuple(_performed(data)), bool(items_of(data, _SERIES)))


def read_notification(data: Dataset) -> Named:
    """Read the Attribute List of an Instance Availability Notification (PS3.4 R.3.2).

    What is said to be unavailable is not named: it will not come.

    Raises:
        Refused: 0120 and 0121 for an attribute that lacks, or lacks a value, 0106 for a wrong value.
    """
    study = _uid(data, "StudyInstanceUID")
    instances: list[str] = []
    for series in _items(data, "ReferencedSeriesSequence"):
        _uid(series, "SeriesInstanceUID")
        for item in _items(series, "ReferencedSOPSequence"):
            _uid(item, "ReferencedSOPClassUID")
            _text(item, "RetrieveAETitle")
            availability = _text(item, "InstanceAvailability")
            if availability not in _AVAILABILITIES:
                raise Refused(INVALID_ATTRIBUTE_VALUE, "InstanceAvailability has none of its defined terms")
            instance = _uid(item, "ReferencedSOPInstanceUID")
            if availability != _UNAVAILABLE:
                instances.append(instance)
    of_step = bool(items_of(data, "ReferencedPerformedProcedureStepSequence"))
    named, patient = tuple(dict.fromkeys(instances)), _patient_id(data)
    return Named((study,), named, has_series=True, of_step=of_step, patient_id=patient)


def _patient_id(data: Dataset) -> str:
    try:
        return str(data.get("PatientID") or "").strip("\0 ")
    except Exception:  # noqa: BLE001 - a value is read only now, and pydicom raises anything
        return ""


def _performed(data: Dataset) -> dict[str, None]:
    """Give the instances of all performed series, each once, in their order."""
    return dict.fromkeys(_of_series(data))


def _of_series(data: Dataset) -> Iterator[str]:
    for series in items_of(data, _SERIES):
        _uid(series, "SeriesInstanceUID")
        for keyword in _INSTANCES:
            for item in items_of(series, keyword):
                yield _uid(item, "ReferencedSOPInstanceUID")


def _items(data: Dataset, keyword: str) -> tuple[Dataset, ...]:
    if keyword not in data:
        raise Refused(MISSING_ATTRIBUTE, f"{keyword} is missing")
    items = tuple(items_of(data, keyword))
    if not items:
        raise Refused(MISSING_ATTRIBUTE_VALUE, f"{keyword} has no item")
    return items


def _text(data: Dataset, keyword: str) -> str:
    return text_of(data, keyword, missing=MISSING_ATTRIBUTE, empty=MISSING_ATTRIBUTE_VALUE)


def _uid(data: Dataset, keyword: str) -> str:
    return uid_of(
        data,
        keyword,
        missing=MISSING_ATTRIBUTE,
        empty=MISSING_ATTRIBUTE_VALUE,
        invalid=INVALID_ATTRIBUTE_VALUE,
    )
