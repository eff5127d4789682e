"""Colour profiles of pictures (PS3.18 8.3.5.1.5; ICC.1)."""

from io import BytesIO
from typing import Final

from PIL import Image, ImageCms

from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.icc_profiles import adobe_rgb, gray, romm_rgb, srgb
from isthmus.wado.pictures.rendering.request import IccProfile, MediaType
from isthmus.wado.pictures.rendering.values import items, words

_MADE_HERE: Final = {
    IccProfile.SRGB: srgb,
    IccProfile.ADOBE_RGB: adobe_rgb,
    IccProfile.ROMM_RGB: romm_rgb,
}


def coloured(
    picture: Image.Image, header: FrameHeader, wanted: IccProfile | None, media_type: MediaType
) -> tuple[Image.Image, bytes | None]:
    """Give the picture in the colours that are wanted, and the profile that is to be embedded.

    What has no profile is taken as sRGB, gray too.
    """
    if wanted is IccProfile.NO or not media_type.takes_icc_profile:
        return picture, None
    own = own_profile(header) if picture.mode == "RGB" else None
    if wanted is None:
        return picture, own
    if wanted is IccProfile.YES:
        return picture, own or (srgb() if picture.mode == "RGB" else gray())
    target = _MADE_HERE[wanted]()
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    if own is None and wanted is IccProfile.SRGB:
        return picture, target
    return _transformed(picture, own or srgb(), target), target


def _transformed(picture: Image.Image, source: bytes, target: bytes) -> Image.Image:
    result = ImageCms.profileToProfile(
        picture,
        ImageCms.getOpenProfile(BytesIO(source)),
        ImageCms.getOpenProfile(BytesIO(target)),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    return result or picture


def own_profile(header: FrameHeader) -> bytes | None:
    """Give the object's ICC Profile (0028,2000), or that of its optical path, if it is one of RGB colours."""
    for ds in (header.ds, *items(header.ds, "OpticalPathSequence")[:1]):
        profile = words(ds, "ICCProfile")
        if isinstance(profile, bytes) and _is_usable(profile):
            return profile
    return None


def _is_usable(profile: bytes) -> bool:
    try:
        opened = ImageCms.getOpenProfile(BytesIO(profile))
    except (OSError, ImageCms.PyCMSError):
        return False
    return opened.profile.xcolor_space.strip() == "RGB"
