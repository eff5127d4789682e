"""C-ECHO, what is offered, and C-FIND: whether they work, and in which character set the answers are."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

from pydicom.dataset import Dataset
from pydicom.uid import UID

from isthmus.cli.doctor import words
from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Unclear, Wrong
from isthmus.cli.doctor.matches import Match
from isthmus.cli.doctor.pacs import Pacs
from isthmus.common.dicom.statuses import NOT_AUTHORIZED, meaning
from isthmus.common.dimse import FIND, STUDY_ROOT_FIND, Association, Context, classes_of
from isthmus.common.errors import (
    AssociationAborted,
    MalformedDataset,
    OperationFailed,
    OriginError,
    OriginTimeout,
)

T = TypeVar("T")

MOST_MATCHES: Final = 20
"""Of a search, which is then cancelled."""
DAYS: Final = 30
"""How far back the first search looks: some archives refuse to search all that they have."""
_DIGITS: Final = 13
"""Which no count has: an Integer String has 12 at most (PS3.5 6.2)."""
_COUNTS: Final = {"STUDY": "NumberOfStudyRelatedInstances", "SERIES": "NumberOfSeriesRelatedInstances"}


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance that the PACS lists; nothing of it is shown."""

    study: str
    series: str
    instance: str
    sop_class_uids: tuple[str, ...]
    """Its own; where that is not told, those that its modality may have."""
    is_class_known: bool

    def identifier(self, *, whole_series: bool) -> Dataset:
        """Ask for it; or for its series, where instances cannot be asked for."""
        ds = Dataset()
        ds.QueryRetrieveLevel = "SERIES" if whole_series else "IMAGE"
        ds.StudyInstanceUID = self.study
        ds.SeriesInstanceUID = self.series
        if not whole_series:
            ds.SOPInstanceUID = self.instance
        return ds


@contextmanager
def associated(pacs: Pacs, contexts: Sequence[Context]) -> Iterator[Association]:
    """Have an association for one operation, in this thread; raises what `Association.open` does."""
    association = Association.open(pacs.peer, contexts)
    try:
        yield association
    finally:
        association.release()


async def on_association(pacs: Pacs, contexts: Sequence[Context], operation: Callable[[Association], T]) -> T:
    """Do an operation on an association of its own."""

    def work() -> T:
        with associated(pacs, contexts) as association:
            return operation(association)

    return await asyncio.to_thread(work)


@dataclass(frozen=True, slots=True)
class Found:
    """What the searches gave."""

    studies: Sequence[Match]
    """Some matches, for their character sets; nothing of them is shown."""
    instance: Instance | None
    """One of a small series; None where the PACS lists none."""


async def find_instance(pacs: Pacs) -> Found:
    """Find an instance of a small series, by three searches.

    Raises:
        Wrong: C-FIND does not work.
        Unclear: something else failed.
    """
    try:
        return await asyncio.to_thread(_descend, pacs)
    except AssociationAborted:
        raise Wrong(
            Cause.FIND_FORBIDDEN,
            Side.THEIRS,
            f"the PACS at {pacs.address} answers C-ECHO, but breaks off at C-FIND: it does not let"
            f" {pacs.us.ae_title} search",
            *words.allowed(pacs.us, "Find"),
        ) from None
    except OperationFailed as error:
        raise _failed(error, pacs) from None
    except MalformedDataset:
        raise Wrong(
            Cause.FIND_FAILS,
            Side.THEIRS,
            f"the PACS at {pacs.address} answers C-FIND with what is no data set (PS3.5 Section 7)",
            "have its vendor look: no client can read this",
        ) from None
    except OriginTimeout:
        raise silent("C-FIND", pacs) from None
    except OriginError as error:
        raise Unclear(error.detail) from None


def silent(operation: str, pacs: Pacs) -> Wrong:
    """Say that an operation is not answered."""
    return Wrong(
        Cause.OPERATION_SILENT,
        Side.THEIRS,
        f"the PACS at {pacs.address} accepts the association, and does not answer {operation} within"
        f" {pacs.peer.timeout:g} s",
        "see in its log what it does with the request, and whether it is overloaded",
        f"if it is only slow: raise {pacs.place}.timeout_seconds",
    )


def _failed(error: OperationFailed, pacs: Pacs) -> Wrong:
    status = error.status or 0
    if status == NOT_AUTHORIZED:
        return Wrong(
            Cause.FIND_FORBIDDEN,
            Side.THEIRS,
            f"the PACS at {pacs.address} does not let {pacs.us.ae_title} search (0124, not authorized)",
            *words.allowed(pacs.us, "Find"),
        )
    return Wrong(
        Cause.FIND_FAILS,
        Side.THEIRS,
        f"the PACS at {pacs.address} fails at C-FIND with {status:04X}: {meaning(status)}",
        "see in its log why it does not answer a search for studies",
        f"if it does not take the Specific Character Set of our queries: {pacs.place}.character_set ="
        ' "ISO_IR 100", or "" for none',
    )


def _descend(pacs: Pacs) -> Found:
    since = datetime.now(UTC) - timedelta(days=DAYS)
    keys = {"StudyInstanceUID": "", "PatientName": "", _COUNTS["STUDY"]: ""}
    studies = _search(pacs, "STUDY", StudyDate=f"{since:%Y%m%d}-", **keys)
    if not studies:
        # Some do not search all that they have; that they search has been seen.
        with suppress(OperationFailed, AssociationAborted, OriginTimeout):
            studies = _search(pacs, "STUDY", StudyDate="", **keys)
    study = _smallest(studies, "STUDY", "StudyInstanceUID")
    if not study:
        return Found(studies, None)
    keys = {"StudyInstanceUID": study, "SeriesInstanceUID": "", _COUNTS["SERIES"]: ""}
    listed = _search(pacs, "SERIES", Modality="", **keys)
    series = _smallest(listed, "SERIES", "SeriesInstanceUID")
    if not series:
        return Found(studies, None)
    modalities = [one.text("Modality") for one in listed if one.uid("SeriesInstanceUID") == series]
    keys = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": "", "SOPClassUID": ""}
    for match in _search(pacs, "IMAGE", **keys):
        uid, sop_class_uid = match.uid("SOPInstanceUID"), match.uid("SOPClassUID")
        if uid:
            classes = (sop_class_uid,) if sop_class_uid else classes_of(modalities)
            return Found(studies, Instance(study, series, uid, classes, bool(sop_class_uid)))
    return Found(studies, None)


def _search(pacs: Pacs, level: str, **keys: str) -> list[Match]:
    """Search on an association of its own: one whose search was cancelled may be aborted then."""
    ds = Dataset()
    if pacs.origin.character_set:
        ds.SpecificCharacterSet = pacs.origin.character_set.split("\\")
    ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    with (
        associated(pacs, (FIND,)) as association,
        closing(association.find(STUDY_ROOT_FIND, ds)) as responses,
    ):
        found = [(one.data, one.transfer_syntax_uid) for one in islice(responses, MOST_MATCHES) if one.data]
    return [Match.read(data, UID(syntax)) for data, syntax in found]


def _smallest(matches: Sequence[Match], level: str, keyword: str) -> str:
    """Give the UID of that of which there is least; empty where there is none."""

    def size(match: Match) -> int:
        count = match.text(_COUNTS[level])
        return int(count) if count.isdecimal() and len(count) < _DIGITS and int(count) else MOST_MATCHES**5

    named = [match for match in matches if match.uid(keyword)]
    return min(named, key=size).uid(keyword) if named else ""
