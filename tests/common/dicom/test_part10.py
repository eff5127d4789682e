"""Part 10 headers, and files that are read although they break the rules of PS3.10 7.1."""

import struct
from io import BytesIO

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from isthmus.common.dicom.part10 import FileMeta, MalformedDataset, file_header, read_file_meta
from isthmus.common.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from isthmus.common.errors import UnreadablePayload

CT = "1.2.840.10008.5.1.4.1.1.2"
UIDS = st.from_regex(r"[12](\.[1-9][0-9]{0,8}){1,6}", fullmatch=True)
"""Those of PS3.5 9.1."""
WORSE_UIDS = st.text("0123456789.-_ABCxyz", min_size=1, max_size=128)
"""Those of real PACS."""


def explicit(tag: int, vr: bytes, value: bytes, order: str = "<") -> bytes:
    """An element of a VR with a length of 16 bits."""
    return struct.pack(f"{order}HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


CHARACTER_SET = explicit(0x00080005, b"CS", b"ISO_IR 100")
SOP_UIDS = explicit(0x00080016, b"UI", CT.encode() + b"\0") + explicit(0x00080018, b"UI", b"1.2.3\0")
DATA_SET = CHARACTER_SET + SOP_UIDS


def header(transfer_syntax_uid: str = ExplicitVRLittleEndian, source_ae_title: str | None = None) -> bytes:
    return file_header(
        sop_class_uid=CT,
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=transfer_syntax_uid,
        source_ae_title=source_ae_title,
    )


def read(data: bytes) -> FileMeta:
    return read_file_meta(BytesIO(data))


class Trickle(BytesIO):
    """A source that gives three bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"{\n  " * 100,
        b"\x89PNG\r\n\x1a\n" + bytes(1000),
        bytes(128) + b"DICM",
        bytes(128) + b"DICM" + b"no elements at all",
        bytes(200),
    ],
)
def test_what_is_no_dicom_file_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedDataset):
        read(data)


def test_a_file_that_cannot_be_read_is_an_unreadable_payload() -> None:
    with pytest.raises(UnreadablePayload, match="no DICOM file"):
        read(b"plain text, which is longer than a tag")


@pytest.mark.parametrize("length", [132, 140, 160, 200, len(header()) - 1])
def test_a_file_that_ends_within_its_meta_information_is_refused(length: int) -> None:
    with pytest.raises(MalformedDataset, match="ends"):
        read(header()[:length])


def test_a_file_that_ends_after_its_meta_information_is_refused() -> None:
    with pytest.raises(MalformedDataset, match="before its data set"):
        read(header())


def test_a_bare_data_set_without_sop_class_is_refused_by_name() -> None:
    with pytest.raises(MalformedDataset, match=r"SOP Class UID \(0008,0016\)"):
        read(CHARACTER_SET + explicit(0x00080018, b"UI", b"1.2.3\0"))


def test_a_length_beyond_the_end_is_refused() -> None:
    private = struct.pack("<HH2sxxL", 2, 0x0102, b"OB", 0xFFFFFF00)
    with pytest.raises(MalformedDataset, match="File Meta Information"):
        read(header() + private + DATA_SET)


def test_a_uid_with_control_characters_is_refused_without_showing_it() -> None:
    meta = explicit(0x00020003, b"UI", b"1.2\r\n3.4\0")
    with pytest.raises(MalformedDataset) as caught:
        read(bytes(128) + b"DICM" + meta + DATA_SET)
    assert caught.value.detail == "Media Storage SOP Instance UID (0002,0003) is no UID"


@pytest.mark.parametrize("uid", ["1.2.\u0663", "1" * 65535])
def test_no_header_is_written_with_what_no_element_can_hold(uid: str) -> None:
    with pytest.raises(MalformedDataset, match=r"SOP Instance UID \(0002,0003\)"):
        file_header(
            sop_class_uid=CT,
            sop_instance_uid=uid,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            source_ae_title=None,
        )


@given(UIDS, UIDS, UIDS, st.none() | st.text("ABCDEFGHIJ_0123456789", min_size=1, max_size=16))
def test_pydicom_reads_the_header_as_it_was_meant(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, title: str | None
) -> None:
    data = file_header(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        source_ae_title=title,
    )
    meta = pydicom.dcmread(BytesIO(data + DATA_SET)).file_meta
    assert meta.FileMetaInformationGroupLength == len(data) - 144
    assert meta.FileMetaInformationVersion == b"\x00\x01"
    assert meta.MediaStorageSOPClassUID == sop_class_uid
    assert meta.MediaStorageSOPInstanceUID == sop_instance_uid
    assert meta.TransferSyntaxUID == transfer_syntax_uid
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
    assert meta.get("SourceApplicationEntityTitle") == title


@given(WORSE_UIDS, WORSE_UIDS, WORSE_UIDS)
def test_we_read_the_header_as_it_was_meant(
    sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str
) -> None:
    data = file_header(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        source_ae_title=None,
    )
    assert read(data + DATA_SET) == FileMeta(sop_class_uid, sop_instance_uid, transfer_syntax_uid, len(data))


def test_a_blank_source_is_left_out_of_the_header() -> None:
    assert header(source_ae_title="  ") == header(source_ae_title=None)


def test_values_of_odd_length_are_padded_as_their_vr_says() -> None:
    data = header(source_ae_title="ABC")
    assert explicit(0x00020002, b"UI", CT.encode() + b"\0") in data
    assert data.endswith(explicit(0x00020016, b"AE", b"ABC "))


def test_a_file_without_preamble_is_read() -> None:
    data = header()[132:]
    assert read(data + DATA_SET) == FileMeta(CT, "1.2.3", ExplicitVRLittleEndian, len(data))


@pytest.mark.parametrize("length", [0, 1, 100, 0xFFFFFFFF])
def test_a_wrong_group_length_is_not_believed(length: int) -> None:
    data = header()
    data = data[:140] + struct.pack("<L", length) + data[144:]
    assert read(data + DATA_SET).dataset_offset == len(data)


def test_a_missing_group_length_is_not_missed() -> None:
    data = header()[:132] + header()[144:]
    assert read(data + DATA_SET).dataset_offset == len(data)


def test_meta_information_in_implicit_vr_is_read() -> None:
    meta = implicit(0x00020002, b"1.2\0") + implicit(0x00020003, b"1.3\0") + implicit(0x00020010, b"1.4\0")
    assert read(bytes(128) + b"DICM" + meta + DATA_SET) == FileMeta("1.2", "1.3", "1.4", 132 + len(meta))


def test_meta_information_longer_than_one_look_is_read() -> None:
    private = struct.pack("<HH2sxxL", 2, 0x0102, b"OB", 100_000) + bytes(100_000)
    data = header() + private
    assert read(data + DATA_SET).dataset_offset == len(data)


def test_a_deflated_data_set_may_begin_like_meta_information() -> None:
    data = header(DeflatedExplicitVRLittleEndian)
    assert read(data + b"\x02\x00\x01\x00OB" + bytes(100)).dataset_offset == len(data)


def test_sop_uids_that_the_meta_information_lacks_come_from_the_data_set() -> None:
    meta = explicit(0x00020010, b"UI", ExplicitVRLittleEndian.encode() + b"\0")
    data = bytes(128) + b"DICM" + meta
    assert read(data + DATA_SET) == FileMeta(CT, "1.2.3", ExplicitVRLittleEndian, len(data))


def big_endian_data_set() -> bytes:
    return explicit(0x00080016, b"UI", b"1.2\0", ">") + explicit(0x00080018, b"UI", b"1.3\0", ">")


@pytest.mark.parametrize(
    ("data_set", "transfer_syntax_uid"),
    [
        (
            explicit(0x00080016, b"UI", b"1.2\0") + explicit(0x00080018, b"UI", b"1.3\0"),
            ExplicitVRLittleEndian,
        ),
        (implicit(0x00080016, b"1.2\0") + implicit(0x00080018, b"1.3\0"), ImplicitVRLittleEndian),
        (big_endian_data_set(), ExplicitVRBigEndian),
    ],
)
@pytest.mark.parametrize("before", [b"", bytes(128) + b"DICM"])
def test_the_transfer_syntax_of_a_data_set_without_meta_information_is_guessed(
    data_set: bytes, transfer_syntax_uid: str, before: bytes
) -> None:
    assert read(before + data_set) == FileMeta("1.2", "1.3", transfer_syntax_uid, len(before))


def test_the_transfer_syntax_is_guessed_where_only_that_is_missing() -> None:
    meta = explicit(0x00020002, b"UI", b"1.2\0") + explicit(0x00020003, b"UI", b"1.3\0")
    assert (
        read(bytes(128) + b"DICM" + meta + big_endian_data_set()).transfer_syntax_uid == ExplicitVRBigEndian
    )


def test_a_source_may_give_less_than_it_is_asked_for() -> None:
    source = Trickle(header() + DATA_SET + bytes(100_000))
    assert read_file_meta(source).dataset_offset == len(header())


def test_only_the_beginning_of_a_file_is_read() -> None:
    source = BytesIO(header() + DATA_SET + bytes(1_000_000))
    read_file_meta(source)
    assert source.tell() < 10_000


def test_a_file_of_garbage_lengths_is_not_read_to_its_end() -> None:
    source = BytesIO(
        bytes(128) + b"DICM" + struct.pack("<HH2sxxL", 2, 1, b"OB", 0xFFFFFFF0) + bytes(5_000_000)
    )
    with pytest.raises(MalformedDataset):
        read_file_meta(source)
    assert source.tell() < 2_000_000
