"""How a C-FIND becomes queries of single levels, from the top down (PS3.4 C.4.1.2, C.4.1.3).

A query takes keys of one level, and of the levels above nothing but their unique keys. So what a client asks
of the levels above beyond those, is asked there. That may be a whole search of its own: of several UIDs, or
(a relational query) of whatever the keys of the levels above match. Relational queries are answered where
they were not negotiated too: the standard would have them refused, but old workstations rely on archives that
do not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from isthmus.common.dicom.attributes import AttributePath, is_private, tag_of, tags_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS, level_of
from isthmus.common.dicom.statuses import DATA_SET_MISMATCH
from isthmus.common.messages import Query
from isthmus.scp.finding.identifier_in import OF_ANY_LEVEL, FindIdentifier
from isthmus.scp.models import Model
from isthmus.scp.normalized import Refused

PATIENT: Final = "PATIENT"
PATIENT_ID: Final = tag_of("PatientID")
ISSUER: Final = tag_of("IssuerOfPatientID")
PATIENT_NAME: Final = tag_of("PatientName")
BIRTH_DATE: Final = tag_of("PatientBirthDate")
_MODALITY: Final = tag_of("Modality")
_MODALITIES_IN_STUDY: Final = tag_of("ModalitiesInStudy")
_PATIENT_COUNTS: Final = frozenset(
    tags_of(
        (
            "NumberOfPatientRelatedStudies",
            "NumberOfPatientRelatedSeries",
            "NumberOfPatientRelatedInstances",
        )
    )
)
_PATIENT_GROUPS: Final = ("0010", "0012")
"""Of the patient and the clinical trial; the others of a study are not the patient's (PS3.4 Table C.6-1)."""
STUDY_COUNTS: Final = {
    tag_of("NumberOfPatientRelatedSeries"): tag_of("NumberOfStudyRelatedSeries"),
    tag_of("NumberOfPatientRelatedInstances"): tag_of("NumberOfStudyRelatedInstances"),
}
"""What of each study is summed up for its patient."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked of one level."""

    level: Level
    keys: tuple[MatchingKey, ...]
    """Its own; without its unique key where that names single entities."""
    asked: tuple[AttributePath, ...]
    uids: tuple[str, ...]
    """The values of its unique key; none where it is open."""

    @property
    def needs_query(self) -> bool:
        """Whether more is asked than the UIDs say; for a level above the one that is searched."""
        return not self.uids or bool(self.keys or self.asked)

    def told(self, match: DicomJson, uid: str) -> DicomJson:
        """Give what an entity of this level tells of those below it: its UID, and what was asked of it."""
        asked = {path[0] for path in self.asked}
        of_it = {tag: element for tag, element in match.items() if tag in asked}
        return {**of_it, UNIQUE_KEYS[self.level]: {"vr": "UI", "Value": [uid]}}

    def query(self, origin: str, parent: Mapping[Level, str], *, fuzzy: bool) -> Query:
        """Make the query for the children of an entity of the level above."""
        above = [MatchingKey((UNIQUE_KEYS[level],), (uid,)) for level, uid in parent.items()]
        own = [MatchingKey((UNIQUE_KEYS[self.level],), self.uids)] if self.uids else []
        returned = dict.fromkeys(((UNIQUE_KEYS[self.level],), *self.asked))
        return Query(origin, self.level, (*above, *own, *self.keys), tuple(returned), fuzzy)


@dataclass(frozen=True, slots=True)
class FindPlan:
    """The queries of a C-FIND."""

    above: tuple[Step, ...]
    """From the top down."""
    target: Step
    patients: bool
    """Whether patients are searched for: those of the studies that match, each once."""
    counted: frozenset[str]
    """What of a patient's studies is to be counted."""
    unsupported: bool
    """Whether a key is of a level below, where it says nothing (responses are FF01 then)."""

    @classmethod
    def of(cls, identifier: FindIdentifier, model: Model) -> Self:
        """Plan a C-FIND.

        Raises:
            Refused: A900, the level is none of the model.
        """
        level = _level(identifier, model)
        patients = level == PATIENT
        target = Level.STUDY if patients else Level(level)
        by_level, below = _by_level(identifier, target, patients=patients)
        steps = [_step(one, *by_level[one]) for one in Level if one <= target]
        counted = frozenset(path[0] for path in identifier.asked) & _PATIENT_COUNTS
        if patients:
            steps[-1] = _of_patients(steps[-1], counted)
        return cls(tuple(steps[:-1]), steps[-1], patients, counted, below or identifier.unsupported)

    @property
    def level(self) -> str:
        """The Query/Retrieve Level."""
        return PATIENT if self.patients else self.target.level.value


def _level(identifier: FindIdentifier, model: Model) -> str:
    if not identifier.level:
        raise Refused(DATA_SET_MISMATCH, "QueryRetrieveLevel is missing")
    if identifier.level not in model.levels:
        raise Refused(DATA_SET_MISMATCH, f"QueryRetrieveLevel is none of {', '.join(model.levels)}")
    return identifier.level


_Asked = tuple[list[MatchingKey], list[AttributePath]]


def _by_level(
    identifier: FindIdentifier, target: Level, *, patients: bool
) -> tuple[Mapping[Level, _Asked], bool]:
    """Sort keys and attributes by level; tell too whether some are of a level below."""
    found: dict[Level, _Asked] = {level: ([], []) for level in Level}
    below = False

    def belongs(tag: str) -> bool:
        if patients:
            return tag.startswith(_PATIENT_GROUPS)
        return level_of(tag) <= target

    for key in identifier.keys:
        if target is Level.STUDY and not patients and key.path == (_MODALITY,):
            # Many ask so; QIDO-RS has it likewise.
            found[target][0].append(MatchingKey((_MODALITIES_IN_STUDY,), key.values))
        elif belongs(key.path[0]) and key.path[0] not in _PATIENT_COUNTS:
            found[level_of(key.path[0])][0].append(key)
        else:
            below = True
    for path in identifier.asked:
        if path[0] in OF_ANY_LEVEL:
            found[target][1].append(path)
        elif path[0] in _PATIENT_COUNTS or is_private(path):
            continue
        elif belongs(path[0]):
            found[level_of(path[0])][1].append(path)
    return found, below


def _step(level: Level, keys: Sequence[MatchingKey], asked: Sequence[AttributePath]) -> Step:
    unique = (UNIQUE_KEYS[level],)
    uids = next((key.values for key in keys if key.path == unique), ())
    return Step(
        level,
        tuple(key for key in keys if key.path != unique),
        tuple(path for path in asked if path != unique),
        tuple(dict.fromkeys(uids)),
    )


def _of_patients(step: Step, counted: frozenset[str]) -> Step:
    """Ask of studies what tells their patients apart, and what is summed up for them."""
    summed = ((STUDY_COUNTS[tag],) for tag in sorted(counted) if tag in STUDY_COUNTS)
    known_by = ((tag,) for tag in (PATIENT_ID, ISSUER, PATIENT_NAME, BIRTH_DATE))
    return replace(step, asked=tuple(dict.fromkeys((*known_by, *step.asked, *summed))))
