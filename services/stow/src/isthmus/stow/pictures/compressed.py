"""What compressed pixel data are: how they are encapsulated, and what they say of their pixels."""

from dataclasses import dataclass

from isthmus.stow.reasons import BAD_PIXELS, TRANSFER_SYNTAX_NOT_SUPPORTED, Refusal


@dataclass(frozen=True, slots=True)
class Pixels:
    """The Image Pixel Description Macro (PS3.3 Table C.7-11c), as a picture tells it."""

    rows: int
    columns: int
    samples: int
    bits: int
    """Of a sample."""
    photometric_interpretation: str
    is_signed: bool = False


@dataclass(frozen=True, slots=True)
class Compressed:
    """One part of a payload: a frame, or all of them."""

    transfer_syntax_uid: str
    """The narrowest one that holds it."""
    others: frozenset[str] = frozenset()
    """Those that hold it too."""
    pixels: Pixels | None = None
    """None where only the metadata tell."""
    frames: tuple[tuple[int, int], ...] = ()
    """Offset and length of each in the part."""
    is_stream: bool = False
    """Whether all frames are one stream."""
    number_of_frames: int | None = 1
    """None where it is not told."""
    is_lossy: bool = False


class NoTransferSyntax(Refusal):
    """It is a picture, but no transfer syntax of DICOM holds it."""

    status = TRANSFER_SYNTAX_NOT_SUPPORTED


class Unreadable(Refusal):
    """It is no picture, or a broken one."""

    status = BAD_PIXELS
