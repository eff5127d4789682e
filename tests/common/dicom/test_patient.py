"""Whose an instance is, read from its beginning."""

import warnings
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from isthmus.common.dicom.part10.patient import patient_id

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


def written(syntax: str, patient: str = "P-17", character_set: str = "") -> bytes:
    """A data set with a sequence before the Patient ID, and pixels behind."""
    inner = Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    inner.PatientID = "another"
    data = Dataset()
    if character_set:
        data.SpecificCharacterSet = character_set
    data.ReferencedImageSequence = [inner]
    data.PatientName = "Nobody"
    data.PatientID = patient
    data.StudyInstanceUID = "1.2.3"
    target = DicomBytesIO()
    target.is_little_endian = syntax != ExplicitVRBigEndian
    target.is_implicit_VR = syntax == ImplicitVRLittleEndian
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(target, data)
    if syntax != DeflatedExplicitVRLittleEndian:
        return target.getvalue()
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return BytesIO(deflater.compress(target.getvalue()) + deflater.flush()).getvalue()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_patient_id_is_that_of_the_data_set_and_not_of_an_item(syntax: str) -> None:
    assert patient_id(written(syntax), syntax) == "P-17"


def test_it_is_text_in_the_character_set_of_the_data_set() -> None:
    assert patient_id(written(ExplicitVRLittleEndian, "Müller", "ISO_IR 192"), ExplicitVRLittleEndian) == (
        "Müller"
    )
    assert patient_id(written(ExplicitVRLittleEndian, "Müller", "ISO_IR 100"), ExplicitVRLittleEndian) == (
        "Müller"
    )


def test_without_one_there_is_none() -> None:
    assert patient_id(written(ExplicitVRLittleEndian, ""), ExplicitVRLittleEndian) == ""
    assert patient_id(b"", ExplicitVRLittleEndian) == ""


def test_what_is_cut_off_before_it_has_none() -> None:
    data = written(ExplicitVRLittleEndian)
    end = data.index(b"P-17") + 4
    assert patient_id(data[:end], ExplicitVRLittleEndian) == "P-17"
    assert {patient_id(data[:length], ExplicitVRLittleEndian) for length in range(end)} == {""}


@given(st.binary(max_size=400), st.sampled_from(SYNTAXES))
def test_whatever_the_bytes_are_it_is_text(data: bytes, syntax: str) -> None:
    assert isinstance(patient_id(data, syntax), str)
