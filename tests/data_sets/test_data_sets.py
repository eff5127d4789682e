"""The data sets that the other tests stand on."""

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from tests.data_sets import (
    distinct_files,
    identity,
    make_series,
    pydicom_files,
    raw_dataset,
    transfer_syntax,
    with_sop_instance_uid,
)


def named(name: str) -> Path:
    return next(file for file in pydicom_files() if file.name == name)


def test_a_deflated_data_set_cannot_get_another_uid() -> None:
    with pytest.raises(ValueError, match="deflated"):
        with_sop_instance_uid(named("image_dfl.dcm").read_bytes(), "1.2.3")


def test_a_file_without_meta_information_is_all_data_set() -> None:
    file = named("ExplVR_LitEndNoMeta.dcm")
    assert raw_dataset(file) == file.read_bytes()


def test_the_corpus_holds_many_files_in_a_fixed_order_and_no_directories() -> None:
    files = pydicom_files()
    assert len(files) >= 160
    assert files == sorted(files)
    assert not [file for file in files if file.name.startswith("DICOMDIR")]


def test_every_distinct_file_is_an_instance_of_its_own(tmp_path: Path) -> None:
    files = distinct_files(tmp_path)
    assert len({identity(file) for file in files}) == len(files) == len(pydicom_files())


def test_some_distinct_files_have_over_long_uids(tmp_path: Path) -> None:
    assert [file for file in distinct_files(tmp_path) if len(identity(file).sop_instance_uid) > 64]


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm"])
def test_a_distinct_file_differs_in_its_uid_only(name: str, tmp_path: Path) -> None:
    original = named(name)
    (copy,) = (file for file in distinct_files(tmp_path) if file.name.startswith(original.stem + "."))
    before, after = pydicom.dcmread(original), pydicom.dcmread(copy)
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID != before.SOPInstanceUID
    after.SOPInstanceUID = before.SOPInstanceUID
    assert after == before


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
    ],
)
def test_a_series_is_valid_and_the_same_each_time(syntax: UID, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 2, transfer_syntax=syntax)
    again = make_series(tmp_path / "b", 2, transfer_syntax=syntax)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    assert {transfer_syntax(file) for file in files} == {syntax}
    assert [pydicom.dcmread(file).pixel_array.shape for file in files] == [(16, 16)] * 2


def test_series_of_another_seed_may_be_in_the_same_study(tmp_path: Path) -> None:
    (first,) = make_series(tmp_path, 1, seed=1, study_uid="1.2.3")
    (second,) = make_series(tmp_path, 1, seed=2, study_uid="1.2.3")
    assert identity(first).study_instance_uid == identity(second).study_instance_uid == "1.2.3"
    assert identity(first).series_instance_uid != identity(second).series_instance_uid
