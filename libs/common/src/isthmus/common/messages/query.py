"""Searching, and asking whether an origin is there."""

from dataclasses import dataclass

from isthmus.common.dicom.attributes import AttributePath
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.messages.failure import Failure


@dataclass(frozen=True, slots=True)
class Query:
    """Search one level of an origin, in the Study Root model (PS3.4 C.6.2).

    The matches that come back do match: what an origin cannot match, its worker filters.
    """

    origin: str
    level: Level
    keys: tuple[MatchingKey, ...]
    """Matching keys; below STUDY, the unique keys of the levels above are among them."""
    return_keys: tuple[AttributePath, ...]
    fuzzy: bool = False
    """Fuzzy semantic matching of person names (PS3.4 C.2.2.2.1.1)."""


@dataclass(frozen=True, slots=True)
class WorklistQuery:
    """Search the modality worklist of an origin (PS3.4 K.6.1.2); what comes back is as with `Query`."""

    origin: str
    keys: tuple[MatchingKey, ...]
    return_keys: tuple[AttributePath, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """A batch of matches in the origin's order; an empty one says that the worker is alive."""

    matches: tuple[DicomJson, ...]
    number: int = 0
    """Its place, from 0, among the batches that hold matches: who reads sees when one got lost."""


@dataclass(frozen=True, slots=True)
class QueryDone:
    """The end of the matches: all of them, or the failure that cut them short."""

    failure: Failure | None = None
    batches: int = 0
    """How many batches with matches there were."""


@dataclass(frozen=True, slots=True)
class Echo:
    """Verify that the origin answers (C-ECHO, PS3.4 Annex A)."""

    origin: str


@dataclass(frozen=True, slots=True)
class EchoDone:
    """How the origin answered."""

    latency_ms: float
    """From the request to its answer on an open association; the whole try where it failed."""
    failure: Failure | None = None
