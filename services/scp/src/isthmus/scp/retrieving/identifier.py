"""What a C-MOVE or C-GET asks for: its Identifier (PS3.4 C.4.2.1.4.1), and the retrieves that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset

from isthmus.common.dicom.statuses import DATA_SET_MISMATCH
from isthmus.common.dicom.uids import check_uid
from isthmus.common.errors import InvalidParameter
from isthmus.common.messages import Retrieve
from isthmus.scp.models import Model
from isthmus.scp.normalized import Refused, read_data_set

EACH_BY_ITSELF: Final = 4
"""Instances of a series that are fetched one by one; for more of them the series is."""
_UNIQUE_KEYS: Final = {
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
"""Of the levels below that of a patient, from the top down."""


@dataclass(frozen=True, slots=True)
class Wished:
    """What a client wants to be sent."""

    patient_id: str | None
    """At the level PATIENT alone; the studies are to be found."""
    studies: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    """Of one study."""
    instances: tuple[str, ...] = ()
    """Of one series."""

    def retrieves(self, origin: str, studies: Sequence[str]) -> list[Retrieve]:
        """Give what to read: whole studies, series, or instances."""
        if self.instances and len(self.instances) <= EACH_BY_ITSELF:
            return [Retrieve(origin, studies[0], self.series[0], one) for one in self.instances]
        if self.series:
            return [Retrieve(origin, studies[0], one) for one in self.series]
        return [Retrieve(origin, one) for one in studies]


def read_wished(identifier: bytes, transfer_syntax_uid: str, model: Model) -> Wished:
    """Read an Identifier.

    Args:
        identifier: as it came.
        transfer_syntax_uid: of its presentation context.
        model: whose levels there are.

    Raises:
        Refused: A900, with what is wrong; it names the attribute.
    """
    data = read_data_set(BytesIO(identifier), transfer_syntax_uid, DATA_SET_MISMATCH)
    level = _text(data, "QueryRetrieveLevel")
    if level not in model.levels:
        raise Refused(DATA_SET_MISMATCH, f"QueryRetrieveLevel is not one of {' '.join(model.levels)}")
    if level == "PATIENT":
        patient_id = _text(data, "PatientID")
        if not patient_id or "\\" in patient_id or "*" in patient_id or "?" in patient_id:
            raise Refused(DATA_SET_MISMATCH, "PatientID is not a single value")
        return Wished(patient_id)
    levels = tuple(_UNIQUE_KEYS)
    return Wished(None, *(_named(data, one, level) for one in levels[: levels.index(level) + 1]))


def _named(data: Dataset, at: str, level: str) -> tuple[str, ...]:
    """Give the UIDs at a level: above the one that is asked for, a single one."""
    keyword = _UNIQUE_KEYS[at]
    uids = _uids(data, keyword)
    if not uids:
        raise Refused(DATA_SET_MISMATCH, f"{keyword} is missing")
    if at != level and len(uids) > 1:
        raise Refused(DATA_SET_MISMATCH, f"{keyword} has several values above its level")
    return uids


def _uids(data: Dataset, keyword: str) -> tuple[str, ...]:
    """Give the values of a unique key, each once."""
    found = [one.strip("\0 ") for one in _text(data, keyword).split("\\")]
    try:
        return tuple(dict.fromkeys(check_uid(one, keyword) for one in found if one))
    except InvalidParameter:
        raise Refused(DATA_SET_MISMATCH, f"{keyword} is no UID") from None


def _text(data: Dataset, keyword: str) -> str:
    try:
        value: object = data.get(keyword)
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip("\0 ")
        return "\\".join(str(one) for one in value) if isinstance(value, Sequence) else str(value)
    except Exception:  # noqa: BLE001 - pydicom reads it, or the items in it, only now, and raises anything
        raise Refused(DATA_SET_MISMATCH, f"{keyword} cannot be read") from None
