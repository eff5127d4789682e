"""Data sets in Implicit VR Little Endian are what they were in Explicit VR."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.element_reader import BrokenDataset
from isthmus.common.dicom.implicit import implicit_elements
from isthmus.common.dicom.part10 import file_header
from isthmus.common.errors import MalformedDataset


def as_implicit(data: bytes) -> Dataset:
    meta = pydicom.dcmread(BytesIO(data), stop_before_pixels=True, force=True)
    header = file_header(
        sop_class_uid=meta.SOPClassUID,
        sop_instance_uid=meta.SOPInstanceUID,
        transfer_syntax_uid=ImplicitVRLittleEndian,
        source_ae_title=None,
    )
    return pydicom.dcmread(BytesIO(header + b"".join(implicit_elements(open_dataset(BytesIO(data))))))


@pytest.mark.filterwarnings("ignore::UserWarning")  # the corpus breaks rules
def test_every_value_of_the_corpus_stays(corpus: list[Path]) -> None:
    compared = 0
    for file in corpus:
        data = file.read_bytes()
        try:
            before = pydicom.dcmread(BytesIO(data), force=True)
            syntax = before.file_meta.get("TransferSyntaxUID")
            if syntax != ExplicitVRLittleEndian:
                continue
            after = as_implicit(data)
        except (BrokenDataset, MalformedDataset):
            continue  # cut short, or without its UIDs
        same(before, after)
        compared += 1
    assert compared > 30


def same(before: Dataset, after: Dataset) -> None:
    public = [one for one in before if not one.tag.is_private and one.tag.element]
    for element in public:
        if element.VR == "SQ":
            items = after[element.tag].value
            assert len(items) == len(element.value), element.tag
            for one, other in zip(element.value, items, strict=True):
                same(one, other)
        elif element.VR != "UN" and element.tag != 0xFFFCFFFC:
            assert after[element.tag].value == element.value, element.tag
    assert len([one for one in after if not one.tag.is_private]) <= len(public)


def test_pixels_that_are_compressed_are_refused() -> None:
    buffer = BytesIO(
        file_header(
            sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
            sop_instance_uid="1.2.3",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            source_ae_title=None,
        )
        + b"\x08\x00\x18\x00UI\x06\x001.2.3\0"
        + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    )
    with pytest.raises(BrokenDataset):
        list(implicit_elements(open_dataset(buffer)))
