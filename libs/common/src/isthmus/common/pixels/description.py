"""What the header of an instance says about its pixels (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25)."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from isthmus.common.pixels.errors import NoPixels


class PixelElement(Enum):
    """The element that holds the pixels; at most one of them is there (PS3.5 8.1.2)."""

    INTEGER = "PixelData"
    FLOAT = "FloatPixelData"
    DOUBLE = "DoubleFloatPixelData"


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """How the pixels are coded; every number is one that can be."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    samples_per_pixel: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    """0 for unsigned, 1 for signed."""
    photometric_interpretation: str
    planar_configuration: int
    """0 for samples pixel by pixel, 1 for plane by plane."""
    number_of_frames: int = 1
    element: PixelElement = PixelElement.INTEGER

    @classmethod
    def of(
        cls, ds: Dataset, transfer_syntax_uid: str, element: PixelElement | None = None
    ) -> "PixelDescription":
        """Read the description out of a header.

        Args:
            ds: The data set, with its pixels or without.
            transfer_syntax_uid: Of its pixels.
            element: The one that holds them, where the data set is without. Otherwise it is told by Pixel
                Representation, which floating point pixels have not (PS3.3 C.7.6.24).

        Raises:
            NoPixels: something that must be there is missing, or cannot be.
        """
        element = element or _element_of(ds)
        bits_allocated = _number(ds, "BitsAllocated", 1, 64)
        if bits_allocated != 1 and bits_allocated % 8:
            raise NoPixels("Bits Allocated (0028,0100) is neither 1 nor a multiple of 8")
        if element is not PixelElement.INTEGER and bits_allocated != _FLOATING_BITS[element]:
            raise NoPixels("Bits Allocated (0028,0100) is not that of floating point pixels")
        bits_stored, high_bit, signed = bits_allocated, bits_allocated - 1, 0
        if element is PixelElement.INTEGER:
            bits_stored = _number(ds, "BitsStored", 1, bits_allocated, default=bits_allocated)
            high_bit = _high_bit(ds, bits_stored, bits_allocated)
            signed = _number(ds, "PixelRepresentation", 0, 1, default=0)
        samples = _number(ds, "SamplesPerPixel", 1, MOST_SAMPLES, default=1)
        photometric = str(_value(ds, "PhotometricInterpretation") or "").strip(" \0").upper()
        if not photometric:
            photometric = "MONOCHROME2" if samples == 1 else "RGB"
        return cls(
            transfer_syntax_uid,
            _number(ds, "Rows", 1, 0xFFFF),
            _number(ds, "Columns", 1, 0xFFFF),
            samples,
            bits_allocated,
            bits_stored,
            high_bit,
            signed,
            photometric,
            _number(ds, "PlanarConfiguration", 0, 1, default=0) if samples > 1 else 0,
            _number_of_frames(ds),
            element,
        )

    @property
    def chrominance_is_shared(self) -> bool:
        """Whether two native pixels share their chrominance (PS3.3 C.7.6.3.1.2)."""
        return self.photometric_interpretation == "YBR_FULL_422" and self.samples_per_pixel == 3

    @property
    def frame_bits(self) -> int:
        """Of one native frame."""
        samples = 2 if self.chrominance_is_shared else self.samples_per_pixel
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Of one native frame by itself, with what its last byte has over where a sample is one bit."""
        return -(-self.frame_bits // 8)

    @property
    def decoded_bytes(self) -> int:
        """Of one frame as `decode_frame` gives it: each sample whole, none shared."""
        return self.rows * self.columns * self.samples_per_pixel * max(self.bits_allocated // 8, 1)


MOST_SAMPLES: Final = 256
_TEXTS: Final = ("NumberOfFrames", "PhotometricInterpretation")
_FLOATING_BITS: Final = {PixelElement.FLOAT: 32, PixelElement.DOUBLE: 64}


def _element_of(ds: Dataset) -> PixelElement:
    for element in PixelElement:
        if element.value in ds:
            return element
    if "PixelRepresentation" not in ds and "BitsStored" not in ds:
        bits = _value(ds, "BitsAllocated")
        return next((element for element, of in _FLOATING_BITS.items() if of == bits), PixelElement.INTEGER)
    return PixelElement.INTEGER


def _high_bit(ds: Dataset, bits_stored: int, bits_allocated: int) -> int:
    usual = bits_stored - 1
    try:
        return _number(ds, "HighBit", usual, bits_allocated - 1, default=usual)
    except NoPixels:  # most readers never look at it
        return usual


def _number_of_frames(ds: Dataset) -> int:
    try:
        return _number(ds, "NumberOfFrames", 1, 0x7FFFFFFF, default=1)
    except NoPixels:  # the frame index takes it for one too
        return 1


def _number(ds: Dataset, keyword: str, least: int, most: int, default: int | None = None) -> int:
    try:
        value = _value(ds, keyword)
        if isinstance(value, bytes):
            raise ValueError
        number = default if value is None or value == "" else int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not least <= number <= most:
        raise NoPixels(f"{keyword} is not there, or says what cannot be")
    return number


def _value(ds: Dataset, keyword: str) -> Any:  # noqa: ANN401 - whatever pydicom has
    """Give the value of an element; pydicom complains aloud of one that is not as its VR says."""
    element = ds.get_item(keyword)
    value = None if element is None else element.value
    if not isinstance(element, RawDataElement):
        return value
    if not value:
        return None
    if keyword in _TEXTS:
        return value.decode("ascii", "replace").strip(" \0")
    return (
        int.from_bytes(value, "little" if element.is_little_endian else "big") if len(value) == 2 else value
    )
