"""The patients of studies: each once, however many studies it has (PS3.4 C.6.1.1.2)."""

import hashlib
from collections.abc import Iterator
from typing import Final

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.scp.finding.plan import BIRTH_DATE, ISSUER, PATIENT_ID, PATIENT_NAME, STUDY_COUNTS

_STUDIES: Final = tag_of("NumberOfPatientRelatedStudies")
_IDENTITY_BYTES: Final = 16


class Patients:
    """Those of one answer; one is known by its ID and who issued that, without an ID by name and birth."""

    def __init__(self, counted: frozenset[str]) -> None:
        """Begin.

        Args:
            counted: which numbers of a patient's studies, series and instances are told. A patient is then
                told when all studies are known.
        """
        self._counting = counted
        self._seen: set[bytes] = set()
        self._told: dict[bytes, DicomJson] = {}
        self._numbers: dict[bytes, dict[str, int | None]] = {}

    def add(self, study: DicomJson) -> bool:
        """Take a study; tells whether its patient is to be told now."""
        name = _identity(study)
        if not self._counting:
            known = name in self._seen
            self._seen.add(name)
            return not known
        self._told.setdefault(name, study)
        numbers = self._numbers.setdefault(name, dict.fromkeys(self._counting, 0))
        for tag, number in numbers.items():
            more = 1 if tag == _STUDIES else _number(study, STUDY_COUNTS[tag])
            numbers[tag] = None if number is None or more is None else number + more
        return False

    def counted(self) -> Iterator[DicomJson]:
        """Give the patients that were not told, with their numbers as far as all studies say them."""
        for name, study in self._told.items():
            numbers = self._numbers[name].items()
            yield study | {
                tag: {"vr": "IS"} if number is None else {"vr": "IS", "Value": [number]}
                for tag, number in numbers
            }


def _identity(study: DicomJson) -> bytes:
    """Tell patients apart, in a few bytes that do not name them."""
    known_by = (PATIENT_ID, ISSUER) if first_text(study, PATIENT_ID) else (PATIENT_NAME, BIRTH_DATE)
    patient = "\n".join((known_by[0], *(first_text(study, tag) for tag in known_by)))
    return hashlib.blake2b(patient.encode("utf-8", "surrogatepass"), digest_size=_IDENTITY_BYTES).digest()


def _number(study: DicomJson, tag: str) -> int | None:
    text = first_text(study, tag)
    return int(text) if text.isdecimal() else None
