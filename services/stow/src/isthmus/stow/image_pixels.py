"""The attributes that pixel data tell themselves, filled in where the metadata omit them (PS3.18 10.5.2)."""

from collections.abc import Mapping
from typing import Final

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_values import JsonValue
from isthmus.stow.pictures.compressed import Pixels, Unreadable

Attributes = Mapping[str, object]

_SAMPLES: Final = tag_of("SamplesPerPixel")
_PHOTOMETRIC: Final = tag_of("PhotometricInterpretation")
_PLANAR: Final = tag_of("PlanarConfiguration")
_FRAMES: Final = tag_of("NumberOfFrames")
_ROWS, _COLUMNS = tag_of("Rows"), tag_of("Columns")
_ALLOCATED, _STORED, _HIGH = tag_of("BitsAllocated"), tag_of("BitsStored"), tag_of("HighBit")
_REPRESENTATION: Final = tag_of("PixelRepresentation")
_LOSSY: Final = tag_of("LossyImageCompression")
_MOST: Final = 0xFFFF
_HALF_COLOUR: Final = "YBR_FULL_422"


def filled_in(
    attributes: Attributes, pixels: Pixels | None, number_of_frames: int | None, *, is_lossy: bool
) -> Attributes:
    """Give the attributes with what the pixel data tell of themselves; what is there stays.

    Args:
        attributes: Of the instance.
        pixels: What the pixel data are; None where they do not tell.
        number_of_frames: None where that is not told.
        is_lossy: Whether their compression has changed them.

    Raises:
        Unreadable: the attributes say otherwise.
    """
    found = {tag.upper(): element for tag, element in attributes.items()}
    if number_of_frames is not None:
        _agree(found, _FRAMES, number_of_frames)
        if number_of_frames > 1:
            _fill(found, _FRAMES, "IS", number_of_frames)
    if is_lossy:
        _fill(found, _LOSSY, "CS", "01")
    if pixels is None:
        return found
    if max(pixels.rows, pixels.columns) > _MOST:
        raise Unreadable("more rows or columns than an image can have")
    for tag, value in ((_ROWS, pixels.rows), (_COLUMNS, pixels.columns), (_SAMPLES, pixels.samples)):
        _agree(found, tag, value)
        _fill(found, tag, "US", value)
    _fill(found, _PHOTOMETRIC, "CS", pixels.photometric_interpretation)
    if pixels.samples > 1:
        _fill(found, _PLANAR, "US", 0)
    stored = _number(found, _STORED) or pixels.bits
    allocated = _number(found, _ALLOCATED) or -(-max(stored, pixels.bits) // 8) * 8
    if allocated < pixels.bits:
        raise Unreadable(f"{_named(_ALLOCATED)} is less than the pixel data have")
    _fill(found, _ALLOCATED, "US", allocated)
    _fill(found, _STORED, "US", stored)
    _fill(found, _HIGH, "US", stored - 1)
    _fill(found, _REPRESENTATION, "US", int(pixels.is_signed))
    return found


def check_native(attributes: Attributes, length: int) -> None:
    """Make sure that native pixel data are not shorter than the attributes say, where they say it.

    Raises:
        Unreadable: they are.
    """
    found = {tag.upper(): element for tag, element in attributes.items()}
    sizes = [_number(found, tag) for tag in (_ROWS, _COLUMNS, _ALLOCATED)]
    samples, frames = _number(found, _SAMPLES) or 1, _number(found, _FRAMES) or 1
    if samples == 3 and _first(found, _PHOTOMETRIC) == _HALF_COLOUR:
        samples = 2
    bits = frames * samples
    for size in sizes:
        bits *= size or 0
    if length < -(-bits // 8):
        raise Unreadable("pixel data are shorter than the attributes say")


def tells_frames(attributes: Attributes) -> bool:
    """Whether the attributes say how many frames there are; where they do not, as many as there are."""
    return _first(attributes, _FRAMES) is not None


def _fill(found: dict[str, object], tag: str, vr: str, value: JsonValue) -> None:
    if _first(found, tag) is None:
        found[tag] = {"vr": vr, "Value": [value]}


def _agree(found: Attributes, tag: str, value: int) -> None:
    if _first(found, tag) is not None and _number(found, tag) != value:
        raise Unreadable(f"{_named(tag)} is not what the pixel data say")


def _number(found: Attributes, tag: str) -> int | None:
    value = _first(found, tag)
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def _first(found: Attributes, tag: str) -> object:
    element = found.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values[0] if isinstance(values, list) and values else None


def _named(tag: str) -> str:
    return f"({tag[:4]},{tag[4:]})"
