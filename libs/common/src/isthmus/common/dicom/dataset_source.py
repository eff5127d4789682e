"""The data set of a Part 10 instance, opened for reading forwards (PS3.10 7, PS3.5 Annex A)."""

import io
import zlib
from typing import BinaryIO, Final, NamedTuple

from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from isthmus.common.dicom.element_reader import BrokenDataset, ElementReader, Encoding
from isthmus.common.dicom.part10 import read_file_meta
from isthmus.common.dicom.part10.identify import DEFLATED

LARGEST_INFLATED: Final = 2 * 1024 * 1024 * 1024
"""Bytes that a deflated data set may hold: a thousand times as many could be in it."""
_CHUNK: Final = 64 * 1024


class OpenDataset(NamedTuple):
    """A data set at its first element."""

    reader: ElementReader
    encoding: Encoding
    transfer_syntax_uid: str
    deflated: bool
    """Then positions are those in the inflated data set, and not in the source."""


def open_dataset(source: BinaryIO) -> OpenDataset:
    """Go to the first element of an instance.

    Args:
        source: A seekable file of a Part 10 instance.

    Raises:
        MalformedDataset: it is no such file.
    """
    source.seek(0)
    meta = read_file_meta(source)
    source.seek(meta.dataset_offset)
    deflated = meta.transfer_syntax_uid in DEFLATED
    reader = (
        ElementReader(io.BufferedReader(_Inflated(source), _CHUNK), seekable=False)
        if deflated
        else ElementReader(source)
    )
    declared = Encoding(
        implicit=meta.transfer_syntax_uid == ImplicitVRLittleEndian,
        little_endian=meta.transfer_syntax_uid != ExplicitVRBigEndian,
    )
    encoding = reader.actual_encoding(declared, may_be_explicit=True)
    return OpenDataset(reader, encoding, meta.transfer_syntax_uid, deflated)


class _Inflated(io.RawIOBase):
    """What a deflated data set holds (PS3.5 A.5), a piece at a time."""

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._left = LARGEST_INFLATED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the buffer type has a name from 3.12 on
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._source.read(_CHUNK)
            try:
                data = self._inflater.decompress(packed, len(buffer))
            except zlib.error:
                raise BrokenDataset("The data set cannot be inflated") from None
            self._left -= len(data)
            if self._left < 0:
                raise BrokenDataset("The data set is too large when it is inflated")
            if data:
                buffer[: len(data)] = data
                return len(data)
            if not packed:
                break
        return 0
