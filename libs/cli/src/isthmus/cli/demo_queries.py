"""What qrscp lacks as a PACS: answers of C-FIND with counts and descriptions, and lists of UIDs."""

from collections.abc import Generator, Sequence
from copy import copy
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pynetdicom.apps.qrscp import db, handlers
from pynetdicom.events import Event
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

_UNIQUE_KEYS: Final = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
_COLUMNS: Final = {
    "StudyInstanceUID": "study_instance_uid",
    "SeriesInstanceUID": "series_instance_uid",
    "SOPInstanceUID": "sop_instance_uid",
}


def find(event: Event, archive: str, *arguments: object) -> Generator[tuple[int, Dataset | None], None, None]:
    """Answer C-FIND with each study and series once, which qrscp repeats for each of its instances.

    Args:
        event: the query.
        archive: the URL of qrscp's database.
        arguments: what else qrscp's own handler takes.
    """
    # Before qrscp, which takes what it does not know out of it.
    asked = [element.keyword for element in event.identifier]
    answered = set()
    with Session(create_engine(archive)) as session:
        found = handlers.handle_find(event, archive, *arguments)  # type: ignore[no-untyped-call]  # qrscp has no annotations
        for status, identifier in found:
            if identifier is not None:
                unique = identifier.get(_UNIQUE_KEYS[identifier.QueryRetrieveLevel])
                if unique in answered:
                    continue
                answered.add(unique)
                _complete(identifier, asked, _held(identifier, session))
            yield status, identifier


def search(model: str, identifier: Dataset, session: Session) -> list[db.Instance]:
    """Search qrscp's database, also for lists of UIDs (PS3.4 C.2.2.2.2), which it takes for one value."""
    key = _UNIQUE_KEYS.get(identifier.get("QueryRetrieveLevel", ""), "")
    wanted = identifier.get(key)
    if not isinstance(wanted, MultiValue):
        return _search(model, identifier, session)
    found = []
    for uid in wanted:
        single = copy(identifier)
        setattr(single, key, uid)
        found += _search(model, single, session)
    return found


def _search(model: str, identifier: Dataset, session: Session) -> list[db.Instance]:
    found: list[db.Instance] = db.search(model, identifier, session)  # type: ignore[no-untyped-call]  # qrscp has no annotations
    return found


def _held(identifier: Dataset, session: Session) -> Sequence[db.Instance]:
    """Give the instances of which the answer of a query tells."""
    unique = {column: identifier[key].value for key, column in _COLUMNS.items() if key in identifier}
    return session.query(db.Instance).filter_by(**unique).all()


def _complete(identifier: Dataset, asked: Sequence[str], held: Sequence[db.Instance]) -> None:
    """Add what was asked for: what is counted, and what the first object says."""
    known = {
        "NumberOfStudyRelatedSeries": len({instance.series_instance_uid for instance in held}),
        "NumberOfStudyRelatedInstances": len(held),
        "NumberOfSeriesRelatedInstances": len(held),
        "ModalitiesInStudy": sorted({instance.modality for instance in held}),
        "SOPClassesInStudy": sorted({instance.sop_class_uid for instance in held}),
    }
    lacking = [keyword for keyword in asked if keyword and keyword not in identifier]
    ds = dcmread(held[0].filename, stop_before_pixels=True, specific_tags=lacking)
    for keyword in lacking:
        if keyword in known:
            setattr(identifier, keyword, known[keyword])
        elif keyword in ds and ds[keyword].VR != "SQ":
            identifier[keyword] = ds[keyword]
    identifier.SpecificCharacterSet = "ISO_IR 192"
