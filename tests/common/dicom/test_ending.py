"""A data set that breaks off in its pixel data is told from one that is whole, and from one that is odd."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from isthmus.common.dicom.part10 import check_ending, read_file_meta
from isthmus.common.errors import MalformedDataset
from tests.data_sets import pydicom_files

CUT_OFF = "MR_truncated.dcm"
FILES = {file.name: file for file in pydicom_files()}
NATIVE, ENCAPSULATED, IMPLICIT = "CT_small.dcm", "JPEG2000.dcm", "MR_small_implicit.dcm"
BIG_ENDIAN, DEFLATED = "MR_small_bigendian.dcm", "image_dfl.dcm"


def data_set_of(file: Path) -> tuple[bytes, str]:
    content = file.read_bytes()
    meta = read_file_meta(BytesIO(content))
    return content[meta.dataset_offset :], meta.transfer_syntax_uid


def without_what_follows(file: Path) -> tuple[bytes, str]:
    """Give a data set up to the end of its Pixel Data: some have padding behind it."""
    data, syntax = data_set_of(file)
    pixels = dcmread(file).PixelData
    return data[: data.rindex(pixels[-64:]) + 64], syntax


@pytest.mark.parametrize("name", [name for name in FILES if name != CUT_OFF])
def test_real_data_sets_are_whole(name: str) -> None:
    data, syntax = data_set_of(FILES[name])
    check_ending(data, len(data), syntax)


def test_a_real_one_that_is_cut_off() -> None:
    data, syntax = data_set_of(FILES[CUT_OFF])
    with pytest.raises(MalformedDataset, match=r"ends inside its Pixel Data \(7FE0,0010\)"):
        check_ending(data, len(data), syntax)


@pytest.mark.parametrize("name", [NATIVE, IMPLICIT, BIG_ENDIAN])
@pytest.mark.parametrize("lost", [1, 2, 300])
def test_native_pixels_that_are_cut_off(name: str, lost: int) -> None:
    data, syntax = without_what_follows(FILES[name])
    with pytest.raises(MalformedDataset, match="Pixel Data"):
        check_ending(data[:-lost], len(data) - lost, syntax)


@pytest.mark.parametrize("lost", [1, 8, 9, 200])
def test_compressed_pixels_that_are_cut_off(lost: int) -> None:
    data, syntax = data_set_of(FILES[ENCAPSULATED])
    end = data.rindex(b"\xfe\xff\xdd\xe0\0\0\0\0") + 8  # the delimiter of their fragments
    with pytest.raises(MalformedDataset, match="Pixel Data"):
        check_ending(data[: end - lost], end - lost, syntax)


@pytest.mark.parametrize("name", [NATIVE, IMPLICIT])
def test_the_beginning_of_a_large_one_tells_as_much(name: str) -> None:
    data, syntax = without_what_follows(FILES[name])
    head = data[: len(data) // 2]
    check_ending(head, len(data), syntax)
    with pytest.raises(MalformedDataset, match="Pixel Data"):
        check_ending(head, len(data) - 1, syntax)


def test_what_may_end_behind_the_beginning_is_not_judged() -> None:
    data, syntax = data_set_of(FILES[ENCAPSULATED])
    check_ending(data[: len(data) // 2], len(data), syntax)


@pytest.mark.parametrize("data", [b"", b"no data set at all", bytes(7), bytes(100), b"\xff" * 100])
def test_what_is_no_data_set_is_for_others_to_say(data: bytes) -> None:
    check_ending(data, len(data), "1.2.840.10008.1.2.1")


def test_what_follows_the_pixels_may_be_odd() -> None:
    data, syntax = without_what_follows(FILES[NATIVE])
    for behind in (b"\0", bytes(5), b"\xfc\xff\xfc\xffOB"):
        check_ending(data + behind, len(data) + len(behind), syntax)
