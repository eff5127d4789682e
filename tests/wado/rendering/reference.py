"""Another way from pixels to picture: pydicom decodes, and the formulas are written down as PS3.3 has them.

None of the code that is tested is used.
"""

import math
import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ImplicitVRLittleEndian, JPEGExtended12Bit

Pixels = NDArray[Any]


def reference_picture(file: Path) -> Pixels:
    """Give the first frame of a file as gray or colour of 8 bits, not scaled to square pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(file, force=True)
        if "TransferSyntaxUID" not in ds.file_meta:
            ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        if isinstance(ds.get("NumberOfFrames"), str):  # "1A", as in one of the files
            ds.NumberOfFrames = 1
        pixels = _pixels(ds)
        photometric = ds.PhotometricInterpretation
        if photometric == "PALETTE COLOR":
            return _of_8_bits(apply_color_lut(pixels, ds), 16)
        if pixels.ndim == 3:
            return _of_8_bits(pixels, ds.BitsStored)
        return _gray(pixels, ds)


def _pixels(ds: Dataset) -> Pixels:
    if ds.file_meta.TransferSyntaxUID == JPEGExtended12Bit and ds.BitsStored == 12:  # none of pydicom's does
        return np.asarray(imagecodecs.jpeg_decode(get_frame(ds.PixelData, 0, number_of_frames=1)))
    return np.asarray(pixel_array(ds, index=0))


def _of_8_bits(pixels: Pixels, bits: int) -> Pixels:
    portions: NDArray[np.float64] = pixels.astype(np.float64) / (2**bits - 1)
    return np.floor(portions * 255 + 0.5)


def _gray(pixels: Pixels, ds: Dataset) -> Pixels:
    slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
    values = pixels * slope + intercept
    if "WindowCenter" in ds:
        center, width = (_first(ds[keyword].value) for keyword in ("WindowCenter", "WindowWidth"))
        levels = np.vectorize(linear)(values, center, width)
    elif ds.BitsStored <= 8 and ds.PixelRepresentation == 0:
        levels = values / (2**ds.BitsStored - 1) * 255
    else:
        least, most = values.min(), values.max()
        levels = (values - least) / (most - least) * 255
    if ds.PhotometricInterpretation == "MONOCHROME1":
        levels = 255 - levels
    return _with_overlay(np.floor(levels + 0.5), ds)


def _with_overlay(levels: Pixels, ds: Dataset) -> Pixels:
    if (0x6000, 0x3000) in ds:
        levels[ds.overlay_array(0x6000) == 1] = 255
    return levels


def _first(value: object) -> float:
    return float(str(value[0] if isinstance(value, MultiValue) else value))


def linear(x: float, c: float, w: float, y_min: float = 0, y_max: float = 255) -> float:
    """PS3.3 C.11.2.1.2.1."""
    if x <= c - 0.5 - (w - 1) / 2:
        return float(y_min)
    if x > c - 0.5 + (w - 1) / 2:
        return float(y_max)
    return ((x - (c - 0.5)) / (w - 1) + 0.5) * (y_max - y_min) + y_min


def linear_exact(x: float, c: float, w: float, y_min: float = 0, y_max: float = 255) -> float:
    """PS3.3 C.11.2.1.3.2."""
    if x <= c - w / 2:
        return float(y_min)
    if x > c + w / 2:
        return float(y_max)
    return ((x - c) / w + 0.5) * (y_max - y_min) + y_min


def sigmoid(x: float, c: float, w: float, y_min: float = 0, y_max: float = 255) -> float:
    """PS3.3 C.11.2.1.3.1."""
    return (y_max - y_min) / (1 + math.exp(min(-4 * (x - c) / w, 700))) + y_min
