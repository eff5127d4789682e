"""Pictures as JPEG and PNG."""

from io import BytesIO
from typing import Final

from PIL import Image

from isthmus.wado.pictures.rendering.errors import RenderingError

DEFAULT_QUALITY: Final = 90
"""Of a JPEG, where none is asked for."""

_FULL_COLOUR: Final = 90
"""From this quality on the chrominance of each pixel is kept."""
_MOST_OF_JPEG: Final = 65500
"""Rows or columns, by libjpeg."""


def jpeg(picture: Image.Image, quality: int | None, icc_profile: bytes | None) -> bytes:
    """Encode as JPEG (baseline); quality is that of libjpeg, 1 to 100.

    Raises:
        RenderingError: it has more rows or columns than a JPEG can have.
    """
    if max(picture.size) > _MOST_OF_JPEG:
        raise RenderingError(f"A JPEG has at most {_MOST_OF_JPEG} rows and columns")
    quality = quality or DEFAULT_QUALITY
    result = BytesIO()
    subsampling = "4:4:4" if quality >= _FULL_COLOUR else "4:2:0"
    picture.save(result, "JPEG", quality=quality, subsampling=subsampling, icc_profile=icc_profile)
    return result.getvalue()


def png(picture: Image.Image, icc_profile: bytes | None) -> bytes:
    """Encode as PNG; nothing is lost."""
    result = BytesIO()
    picture.save(result, "PNG", icc_profile=icc_profile)
    return result.getvalue()
