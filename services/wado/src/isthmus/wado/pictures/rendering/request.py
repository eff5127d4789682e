"""What a rendered picture shall be (PS3.18 8.3.5), as far as pixels are concerned."""

from dataclasses import dataclass
from enum import Enum


class MediaType(Enum):
    """What a picture is given as (PS3.18 8.7.4)."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    GIF = "image/gif"

    @property
    def takes_icc_profile(self) -> bool:
        """Whether a colour profile can be embedded; where not, only `iccprofile=no` is allowed."""
        return self is not MediaType.GIF


class WindowFunction(Enum):
    """VOI LUT Function (0028,1056), PS3.3 C.11.2.1.3."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"

    @property
    def least_width(self) -> float:
        """The least width that there is a formula for: of `LINEAR` 1, of the others whatever is above 0."""
        return 1.0 if self is WindowFunction.LINEAR else 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """A window over the values that the Modality LUT gives (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: WindowFunction = WindowFunction.LINEAR


@dataclass(frozen=True, slots=True)
class Viewport:
    """What the picture must fit in, as large as it can be, its aspect ratio kept (PS3.18 8.3.5.1.3)."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the source image, in its pixels; 0, 0 is its top left corner (PS3.18 8.3.5.1.3)."""

    x: float = 0.0
    y: float = 0.0
    width: float | None = None
    """To the right edge where it is not given; negative: flipped horizontally."""
    height: float | None = None
    """To the bottom edge where it is not given; negative: flipped vertically."""


class Annotation(Enum):
    """What is written into the picture (PS3.18 8.3.5.1.1)."""

    PATIENT = "patient"
    TECHNIQUE = "technique"


class IccProfile(Enum):
    """The colour profile that is embedded, and to which colours are transformed (PS3.18 8.3.5.1.5)."""

    NO = "no"
    YES = "yes"
    """That of the object, or sRGB where it has none."""
    SRGB = "srgb"
    ADOBE_RGB = "adobergb"
    ROMM_RGB = "rommrgb"


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """One picture: of which frames, and how it shall look. It can be pickled, compared and hashed."""

    media_type: MediaType = MediaType.JPEG
    frame_numbers: tuple[int, ...] = (1,)
    """Which frames of the instance are given to `render`, counted from 1: what is said for each of them alone
    (PS3.3 C.7.6.16) is looked up by these. Only a GIF takes several."""
    quality: int | None = None
    """Of a JPEG, 1 to 100; 100 is the best."""
    viewport: Viewport | None = None
    region: Region | None = None
    window: Window | None = None
    annotations: frozenset[Annotation] = frozenset()
    icc_profile: IccProfile | None = None
    """Where it is not asked for, the object's own is embedded if it has one."""
    presentation: bytes | None = None
    """A presentation state (a Part 10 file) that says how the image looks; it excludes window and region."""
