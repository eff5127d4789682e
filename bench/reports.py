"""A structured report, as long as no human would write one."""

from pathlib import Path
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sr.coding import Code
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, generate_uid

from bench.data import Study

_FINDING: Final = Code("121071", "DCM", "Finding")


def report(directory: Path, findings: int, *, seed: int) -> Study:
    """Make a report of so many findings (PS3.3 A.35.3), each a sentence."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = ComprehensiveSRStorage
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(ds, name, generate_uid(entropy_srcs=["report", name, str(seed)]))
    ds.PatientName, ds.PatientID = f"Synthetic^Report {seed}", f"IMPLANTED-{seed}"
    ds.Modality, ds.StudyDate, ds.SeriesNumber, ds.InstanceNumber = "SR", "20240229", 1, 1
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = [_coded(Code("126000", "DCM", "Imaging Measurement Report"))]
    ds.ContentSequence = [_finding(number) for number in range(findings)]
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = directory / f"report-{seed}.dcm"
    dcmwrite(file, ds, enforce_file_format=True)
    return Study((file,))


def _finding(number: int) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = [_coded(_FINDING)]
    item.TextValue = f"Nodule {number} is as large as it was when it was last seen, and as round."
    return item


def _coded(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    return item
