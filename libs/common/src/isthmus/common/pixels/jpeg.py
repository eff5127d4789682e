"""JPEG, lossy and lossless (ITU-T T.81), by GDCM, which reads all of its forms from 2 to 16 bits."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import IO, Final

import gdcm  # type: ignore[import-untyped]  # has no types
import numpy as np

from isthmus.common.pixels.codestream import Codestream, without_remarks
from isthmus.common.pixels.errors import CorruptFrame, UnsupportedPixels
from isthmus.common.pixels.native import Samples

SEQUENTIAL_AND_PROGRESSIVE: Final = frozenset((0xC0, 0xC1, 0xC2))
LOSSLESS: Final = 0xC3
_SYNTAXES: Final = {
    "lossless": "1.2.840.10008.1.2.4.70",
    8: "1.2.840.10008.1.2.4.50",
    16: "1.2.840.10008.1.2.4.51",
}
# Some encoders pad frames before the marker of their end, which harms nothing.
_DAMAGED: Final = re.compile(
    rb"Premature end of JPEG file|Inconsistent progression"
    rb"|Corrupt JPEG data: (?!\d+ extraneous bytes before marker 0xd9)"
)
_one_at_a_time = Lock()


def decode(frame: bytes, header: Codestream) -> Samples:
    """Decode a frame, its components as they are: none are turned into others.

    Raises:
        CorruptFrame: it is damaged, even where a picture could be made of it.
        UnsupportedPixels: it is of another kind of JPEG.
    """
    if header.kind not in SEQUENTIAL_AND_PROGRESSIVE and header.kind != LOSSLESS:
        raise UnsupportedPixels("The frame is of a kind of JPEG that nobody here reads")
    container = 8 if header.precision <= 8 else 16
    image = _image(without_remarks(frame), header, container)
    with _complaints() as complaints:
        text = image.GetBuffer()
    if text is None or complaints:
        raise CorruptFrame("The frame is damaged")
    data = text.encode("utf-8", "surrogateescape")
    return header.arranged(np.frombuffer(data, f"<u{container // 8}"))


def _image(frame: bytes, header: Codestream, container: int) -> "gdcm.Image":
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((header.columns, header.rows, 1))
    image.SetDataElement(element)
    photometric = gdcm.PhotometricInterpretation.RGB
    if header.components == 1:
        photometric = gdcm.PhotometricInterpretation.MONOCHROME2
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    if header.components > 1:
        image.SetPlanarConfiguration(0)
    syntax = _SYNTAXES["lossless" if header.kind == LOSSLESS else container]
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    bits = max(header.precision, 8)  # it cannot do with fewer, and does not need to
    image.SetPixelFormat(gdcm.PixelFormat(header.components, container, bits, bits - 1, 0))
    return image


def _scratch() -> IO[bytes]:
    """Give a file in memory, where there is such a thing: a container may have no other."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("complaints"), "w+b")
    return tempfile.TemporaryFile()


@contextmanager
def _complaints() -> Iterator[list[bytes]]:
    """Collect what the decoder writes to standard error where it makes do with damaged data.

    It tells nobody else. Standard error belongs to the process, so this is for one thread at a time, and best
    in a process that does nothing else.
    """
    complaints: list[bytes] = []
    with _one_at_a_time, _scratch() as file:
        standard_error = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield complaints
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
            file.seek(0)
            complaints.extend(_DAMAGED.findall(file.read(65536)))
