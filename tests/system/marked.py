"""Patients who can be found wherever something tells of them: in every spelling that a line may have."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pydicom
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from tests.data_sets import make_series

NAME: Final = "Zwetschge^Ottilie"
PATIENT_ID: Final = "QXPID-4711-Z"
ACCESSION: Final = "QXACC88231Z"
BIRTH_DATE: Final = "19130517"
DESCRIPTION: Final = "Knee of Zwetschge"
PHYSICIAN: Final = "Wurzelbacher^Hilde"
MARKS: Final = (*NAME.split("^"), PATIENT_ID, ACCESSION, BIRTH_DATE, "1913-05-17", *PHYSICIAN.split("^")[:1])
"""What nothing may tell: in whatever case, and also in the forms that URLs, JSON and base64 give it."""


def marked_series(directory: Path, n: int, seed: int, **more: str) -> list[Path]:
    """Write a series whose data sets hold the marks; `more` are other values, which may be wrong ones."""
    files = make_series(directory, n, seed=seed)
    for file in files:
        with disable_value_validation():
            ds = pydicom.dcmread(file)
            mark(ds)
            for keyword, value in more.items():
                ds.add_new(keyword, dictionary_VR(keyword), value)
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            ds.save_as(file)
    return files


def mark(ds: Dataset) -> None:
    """Make a data set one of the patient of the marks."""
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = NAME, PATIENT_ID, BIRTH_DATE
    ds.AccessionNumber, ds.StudyDescription, ds.SeriesDescription = ACCESSION, DESCRIPTION, DESCRIPTION
    ds.ReferringPhysicianName = PHYSICIAN


def uids(files: Iterable[Path]) -> set[str]:
    """Give the UIDs of their studies, series and instances."""
    found: set[str] = set()
    for file in files:
        ds = pydicom.dcmread(file, stop_before_pixels=True)
        found |= {ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID}
    return found


def told(texts: Mapping[str, str], values: Iterable[str] = MARKS) -> set[tuple[str, str]]:
    """Give what of the values is in which text."""
    spelled = {value: {spelling.lower() for spelling in _spellings(value)} for value in values}
    return {
        (name, value)
        for name, text in ((name, text.lower()) for name, text in texts.items())
        for value, spellings in spelled.items()
        if any(spelling in text for spelling in spellings)
    }


def _spellings(value: str) -> Iterator[str]:
    yield value
    yield quote(value, safe="")
    yield json.dumps(value)[1:-1]
    yield value.encode().hex()
    # In the midst of something longer base64 has one of three forms; its ends depend on that.
    for before in range(3):
        coded = base64.b64encode(bytes(before) + value.encode()).decode()
        yield coded[(0, 2, 3)[before] : -4]
