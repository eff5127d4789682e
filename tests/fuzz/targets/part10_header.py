"""The beginning of a Part 10 file, and the UIDs of its data set (PS3.10 7.1)."""

from collections.abc import Iterable
from io import BytesIO

from isthmus.common.dicom.part10 import check_ending, file_header, identify, read_file_meta
from isthmus.common.errors import MalformedDataset
from tests.fuzz.refusals import refusing
from tests.fuzz.samples import files

SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


def target(data: bytes) -> None:
    """Read a file, and its data set as if it came without the header; write the header anew."""
    with refusing(MalformedDataset):
        meta = read_file_meta(BytesIO(data))
        dataset = memoryview(data)[meta.dataset_offset :]
        check_ending(dataset, len(dataset), meta.transfer_syntax_uid)
        check_ending(dataset, len(dataset) + 8, meta.transfer_syntax_uid)
        who = identify(dataset, meta.transfer_syntax_uid)
        header = file_header(
            sop_class_uid=who.sop_class_uid,
            sop_instance_uid=who.sop_instance_uid,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            source_ae_title="FUZZ",
        )
        again = read_file_meta(BytesIO(header + bytes(dataset)))
        assert again.dataset_offset == len(header), "the data set moves"
        assert again.sop_instance_uid == who.sop_instance_uid
    for syntax in SYNTAXES:
        with refusing(MalformedDataset):
            identify(data, syntax)


def seeds() -> Iterable[bytes]:
    """Files, and data sets alone."""
    for file in files():
        yield file
        yield file[132:]
