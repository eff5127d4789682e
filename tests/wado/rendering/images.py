"""Images that are made for a test, files taken apart as `Images` does it, and pictures read again."""

import struct
import warnings
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from isthmus.common.pixels.description import PixelDescription
from isthmus.wado.pictures.rendering import MediaType, RenderRequest, render

Pixels = NDArray[Any]
LOSSLESS = RenderRequest(MediaType.PNG)


class Held(NamedTuple):
    """An instance as `render` takes it."""

    head: bytes
    description: PixelDescription
    frames: list[bytes]

    def picture(self, request: RenderRequest = LOSSLESS) -> Pixels:
        """Render one frame, and read the picture again."""
        return np.asarray(self.opened(request))

    def opened(self, request: RenderRequest = LOSSLESS) -> Image.Image:
        """Render the frames of the request."""
        return Image.open(BytesIO(self.rendered(request)))

    def rendered(self, request: RenderRequest = LOSSLESS) -> bytes:
        frames = [self.frames[number - 1] for number in request.frame_numbers]
        return render(self.head, self.description, frames, request)

    def frame(self, number: int, request: RenderRequest = LOSSLESS) -> Pixels:
        return self.picture(replace(request, frame_numbers=(number,)))


def part10(ds: Dataset) -> bytes:
    """Give a Part 10 file, Explicit VR Little Endian."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", SecondaryCaptureImageStorage)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    file = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcmwrite(file, ds, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return file.getvalue()


def made(
    pixels: Pixels | list[Pixels],
    *,
    bits_stored: int | None = None,
    elements: Sequence[tuple[int, str, object]] = (),
    **attributes: object,
) -> Held:
    """Make an image of (rows, columns[, 3]) pixels, or several frames of a list of them.

    Args:
        pixels: Integers of 8, 16 or 32 bits, or floats.
        bits_stored: Where they are not all that are allocated.
        elements: Of its header, as tag, VR and value.
        attributes: Of its header, by keyword.
    """
    frames = pixels if isinstance(pixels, list) else [pixels]
    first = frames[0]
    bits = first.dtype.itemsize * 8
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    ds.Rows, ds.Columns = first.shape[:2]
    ds.SamplesPerPixel = first.shape[2] if first.ndim == 3 else 1
    ds.PhotometricInterpretation = "RGB" if first.ndim == 3 else "MONOCHROME2"
    ds.BitsAllocated = bits
    if first.dtype.kind != "f":
        ds.BitsStored = bits_stored or bits
        ds.HighBit = ds.BitsStored - 1
        ds.PixelRepresentation = int(first.dtype.kind == "i")
    if first.ndim == 3:
        ds.PlanarConfiguration = 0
    if len(frames) > 1:
        ds.NumberOfFrames = len(frames)
    for tag, vr, value in elements:
        ds.add_new(tag, vr, value)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    description = PixelDescription.of(ds, ExplicitVRLittleEndian)
    return Held(part10(ds), description, [np.ascontiguousarray(frame).tobytes() for frame in frames])


def item(**attributes: object) -> Dataset:
    """Make an item of a sequence."""
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def table(first: int, bits: int, *entries: int, vr: str = "US") -> Dataset:
    """Make an item of a LUT sequence; its descriptor is US, or SS."""
    ds = Dataset()
    ds.add_new("LUTDescriptor", vr, [len(entries) & 0xFFFF, first, bits])
    ds.add_new("LUTData", "OW", np.array(entries, "<u2").tobytes())
    return ds


def with_raw(head: bytes, tags: Sequence[int], vr: str, value: bytes) -> bytes:
    """Append elements to a Part 10 file, whatever they say; nothing checks them."""
    length = struct.pack("<2xI" if vr == "UN" else "<H", len(value))
    elements = (struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode() + length + value for tag in tags)
    return head + b"".join(elements)


def held(file: Path) -> Held:
    """Take a file apart; native frames are in little endian, as `Images` gives them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(file, force=True)
        syntax = ds.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
        description = PixelDescription.of(ds, syntax)
        frames = list(_frames(ds, description))
        if not UID(syntax).is_encapsulated:
            description = replace(description, transfer_syntax_uid=ExplicitVRLittleEndian)
        del ds.PixelData
        for element in ds.iterall():
            _ = element.value  # converted, before it is written in another transfer syntax
        return Held(part10(ds), description, frames)


def _frames(ds: Dataset, description: PixelDescription) -> list[bytes]:
    count, size, data = description.number_of_frames, description.frame_bytes, ds.PixelData
    if UID(description.transfer_syntax_uid).is_encapsulated:
        return [get_frame(data, number, number_of_frames=count) for number in range(count)]
    if description.transfer_syntax_uid == ExplicitVRBigEndian:
        width = (
            description.bits_allocated // 8
            if ds.BitsAllocated > 16
            else 2
            if ds["PixelData"].VR == "OW"
            else 1
        )
        data = np.frombuffer(data, f">u{width}").astype(f"<u{width}").tobytes()
    return [data[size * number : size * (number + 1)] for number in range(count)]
