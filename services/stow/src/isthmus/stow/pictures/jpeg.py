"""JPEG and JPEG-LS (ITU-T T.81, T.87): which transfer syntax holds a frame, and what its pixels are."""

from typing import Final

from isthmus.common.pixels.codestream import Codestream, jpeg_codestream, jpeg_segments
from isthmus.common.pixels.errors import PixelsError
from isthmus.stow.pictures.compressed import Compressed, NoTransferSyntax, Pixels, Unreadable

SIGNATURE: Final = b"\xff\xd8\xff"

_ROOT: Final = "1.2.840.10008.1.2.4."
_BASELINE, _EXTENDED, _LOSSLESS, _LOSSLESS_SV1 = (f"{_ROOT}{number}" for number in (50, 51, 57, 70))
_LS_LOSSLESS, _LS = f"{_ROOT}80", f"{_ROOT}81"

_BASELINE_FRAME, _EXTENDED_FRAME, _LOSSLESS_FRAME, _LS_FRAME = 0xC0, 0xC1, 0xC3, 0xF7
_START_OF_SCAN: Final = 0xDA


def describe_jpeg(head: bytes, size: int) -> Compressed:
    """Describe a frame.

    Args:
        head: Its beginning, up to its first scan at least.
        size: Of the whole.

    Raises:
        Unreadable: it is none.
        NoTransferSyntax: it is progressive, or of another kind that DICOM has not.
    """
    try:
        codestream = jpeg_codestream(head)
    except PixelsError as error:
        raise Unreadable("no JPEG that can be read") from error
    if codestream.components not in (1, 3) or not codestream.rows or not codestream.columns:
        raise Unreadable("a JPEG of another form than pixels have")
    sampling, selection = _details(head, codestream)
    syntax, others = _syntaxes(codestream.kind, selection)
    pixels = Pixels(
        codestream.rows,
        codestream.columns,
        codestream.components,
        codestream.precision,
        _photometric_interpretation(codestream, sampling),
    )
    return Compressed(syntax, others, pixels, ((0, size),))


def _details(head: bytes, codestream: Codestream) -> tuple[int, int]:
    """Give the sampling factors of the first component, and what stands for Ss and NEAR in the scan."""
    sampling = 0x11
    for marker, begin, end in jpeg_segments(head):
        if marker == codestream.kind:
            sampling = head[begin + 7]
        elif marker == _START_OF_SCAN:
            place = begin + 1 + 2 * head[begin]
            if place < end:
                return sampling, head[place]
    raise Unreadable("a JPEG without a scan")


def _syntaxes(kind: int, selection: int) -> tuple[str, frozenset[str]]:
    if kind == _BASELINE_FRAME:
        return _BASELINE, frozenset((_EXTENDED,))
    if kind == _EXTENDED_FRAME:
        return _EXTENDED, frozenset()
    if kind == _LOSSLESS_FRAME:
        return (_LOSSLESS_SV1, frozenset((_LOSSLESS,))) if selection == 1 else (_LOSSLESS, frozenset())
    if kind == _LS_FRAME:
        return (_LS_LOSSLESS, frozenset((_LS,))) if selection == 0 else (_LS, frozenset())
    raise NoTransferSyntax("no transfer syntax holds this kind of JPEG")


def _photometric_interpretation(codestream: Codestream, sampling: int) -> str:
    if codestream.components == 1:
        return "MONOCHROME2"  # PS3.18 10.5.2 note 6
    said = codestream.luminance_and_chrominance
    is_lossy = codestream.kind in (_BASELINE_FRAME, _EXTENDED_FRAME)
    # Of a lossy one that says nothing of it everybody takes the colours to be transformed.
    if not (is_lossy if said is None else said):
        return "RGB"
    return "YBR_FULL" if sampling == 0x11 else "YBR_FULL_422"
