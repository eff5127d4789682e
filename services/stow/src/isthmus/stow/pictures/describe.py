"""What a part with pixel data is, by its first bytes, and by its media type where these do not tell."""

from dataclasses import replace
from typing import BinaryIO, Final

from isthmus.common.dicom.encapsulated import OCTET_STREAM, media_type_of
from isthmus.common.pixels.syntaxes import LOSSY
from isthmus.stow.pictures.compressed import Compressed, NoTransferSyntax, Unreadable
from isthmus.stow.pictures.jpeg import SIGNATURE as JPEG
from isthmus.stow.pictures.jpeg import describe_jpeg
from isthmus.stow.pictures.jpeg_2000 import CODESTREAM, FILE, describe_jpeg_2000
from isthmus.stow.pictures.mp4 import describe_mp4
from isthmus.stow.pictures.mpeg import describe_mpeg_2

_HEAD_BYTES: Final = 1024 * 1024
"""In which a picture has said what it is."""
_RLE: Final = "1.2.840.10008.1.2.5"
_BOX: Final = b"ftyp"


def describe(source: BinaryIO, size: int, media_type: str, declared: str | None) -> Compressed:
    """Describe a part.

    Args:
        source: A seekable file of its content.
        size: Of the content.
        media_type: Of the part.
        declared: The transfer syntax that the part says it has; it has the last word where several fit.

    Raises:
        Unreadable: it is nothing of the kind.
        NoTransferSyntax: there is none that holds it, or not the one that it says.
    """
    head = source.read(_HEAD_BYTES)
    if head.startswith(JPEG):
        found = describe_jpeg(head, size)
    elif head.startswith((CODESTREAM, FILE)):
        found = describe_jpeg_2000(source, size)
    elif head[4:8] == _BOX:
        found = describe_mp4(source, size)
    else:
        found = _by_name(head, size, media_type, declared)
    if declared not in (None, found.transfer_syntax_uid, *found.others):
        raise NoTransferSyntax("not of the transfer syntax that its part names")
    found = replace(found, is_lossy=found.is_stream or found.transfer_syntax_uid in LOSSY)
    return replace(found, transfer_syntax_uid=declared, others=frozenset()) if declared else found


def _by_name(head: bytes, size: int, media_type: str, declared: str | None) -> Compressed:
    """Describe what has no signature that is known here."""
    kind = media_type_of(declared) if declared else media_type
    if kind.startswith("video/"):
        return describe_mpeg_2(head, size)
    if media_type in ("image/dicom-rle", "image/x-dicom-rle"):
        declared = declared or _RLE
    elif kind in ("image/jpeg", "image/jls", "image/jp2", "image/jpx", "image/jphc"):
        raise Unreadable("not what its media type or transfer syntax says")
    if declared is None or media_type_of(declared) == OCTET_STREAM:
        raise NoTransferSyntax("no transfer syntax is known for its media type")
    # RLE and JPEG XL: the metadata alone tell what the pixels are.
    return Compressed(declared, frames=((0, size),))
