"""Part 10 files (PS3.10) around data sets that stay the bytes they are: write the header, read who it is."""

from isthmus.common.dicom.part10.ending import check_ending
from isthmus.common.dicom.part10.header import file_header
from isthmus.common.dicom.part10.identify import Identity, identify
from isthmus.common.dicom.part10.meta import FileMeta, read_file_meta
from isthmus.common.errors import MalformedDataset

__all__ = [
    "FileMeta",
    "Identity",
    "MalformedDataset",
    "check_ending",
    "file_header",
    "identify",
    "read_file_meta",
]
