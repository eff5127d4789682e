from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.explicit import explicit_elements
from isthmus.common.dicom.json_model import metadata_of
from isthmus.common.dicom.part10 import file_header
from isthmus.common.errors import MalformedDataset
from tests.data_sets import pydicom_files


def explicit(content: bytes) -> bytes:
    """The whole instance anew."""
    header = file_header(
        sop_class_uid="1.2",
        sop_instance_uid="1.3",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        source_ae_title=None,
    )
    elements = explicit_elements(open_dataset(BytesIO(content)))
    return header + b"".join(piece for _, pieces in elements for piece in pieces)


def written(ds: Dataset, syntax: str) -> bytes:
    file = BytesIO()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    pydicom.dcmwrite(file, _with_meta(ds, syntax), enforce_file_format=True)
    return file.getvalue()


def _with_meta(ds: Dataset, syntax: str) -> Dataset:
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    return ds


TRUNCATED = ("MR_truncated.dcm", "rtplan_truncated.dcm")


@pytest.mark.parametrize(
    "file", [file for file in pydicom_files() if file.name in TRUNCATED], ids=lambda file: file.name
)
def test_what_is_truncated_is_not_written_anew(file: Path) -> None:
    with pytest.raises(MalformedDataset):
        explicit(file.read_bytes())


@pytest.mark.parametrize(
    "file", [file for file in pydicom_files() if file.name not in TRUNCATED], ids=lambda file: file.name
)
def test_real_data_sets_say_the_same(file: Path) -> None:
    content = file.read_bytes()
    before, _ = metadata_of(BytesIO(content), "http://here")
    anew = explicit(content)
    after, _ = metadata_of(BytesIO(anew), "http://here")
    assert after == before
    assert not any(
        element.is_raw and element.VR is None for element in pydicom.dcmread(BytesIO(anew)).values()
    )


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_values_of_all_kinds_are_the_same_in_explicit_little_endian(syntax: str) -> None:
    inner = Dataset()
    inner.SelectorUSValue = [1, 2]
    inner.SelectorOFValue = bytes(range(8))
    ds = Dataset()
    ds.PatientName = "Doe^Jane"
    ds.SmallestImagePixelValue = 513
    ds.PixelRepresentation = 1
    ds.SelectorULValue = [0x01020304]
    ds.SelectorFDValue = [1.5]
    ds.SelectorATValue = [0x00100020]
    ds.SelectorOWValue = b"\x01\x02\x03\x04"
    ds.ReferencedImageSequence = [inner, Dataset()]
    ds["SmallestImagePixelValue"].VR = "SS"
    before = written(ds, ExplicitVRLittleEndian)
    found = pydicom.dcmread(BytesIO(explicit(written(ds, syntax))))
    expected = pydicom.dcmread(BytesIO(before))
    big = syntax == ExplicitVRBigEndian
    for element in expected:
        # pydicom writes the bytes of OW and OF as it is given them.
        if not (big and element.VR in ("OW", "SQ")):
            assert found[element.tag] == element
    assert found.SelectorOWValue == (b"\x02\x01\x04\x03" if big else b"\x01\x02\x03\x04")


def test_a_value_too_long_for_its_vr_is_unknown() -> None:
    ds = Dataset()
    ds.add_new(0x00081030, "LO", "x")
    content = written(ds, ImplicitVRLittleEndian)
    long = content.replace(
        b"\x08\x00\x30\x10\x02\x00\x00\x00x ", b"\x08\x00\x30\x10\x00\x00\x01\x00" + b"x" * 65536
    )
    found = pydicom.dcmread(BytesIO(explicit(long)))
    assert found.get_item(0x00081030).VR == "UN"
    assert len(found.get_item(0x00081030).value) == 65536


def test_group_lengths_are_left_out_and_odd_lengths_padded() -> None:
    ds = Dataset()
    ds.add_new(0x00081030, "LO", "ab")
    content = written(ds, ImplicitVRLittleEndian)
    odd = content.replace(b"\x08\x00\x30\x10\x02\x00\x00\x00ab", b"\x08\x00\x30\x10\x01\x00\x00\x00a")
    length = b"\x08\x00\x00\x00\x04\x00\x00\x00\x10\x00\x00\x00"
    at = odd.index(b"\x08\x00\x16\x00")
    anew = explicit(odd[:at] + length + odd[at:])
    assert b"\x08\x00\x00\x00UL" not in anew
    assert b"\x08\x00\x30\x10LO\x02\x00a " in anew


def test_what_is_cut_short_is_an_error() -> None:
    ds = Dataset()
    ds.SelectorOBValue = bytes(100)
    with pytest.raises(MalformedDataset):
        explicit(written(ds, ImplicitVRLittleEndian)[:-10])
