"""The presentation contexts that we propose (PS3.8 9.3.2.2; PS3.7 D.3.3.4).

An association has room for 128. Within one context the acceptor picks one syntax for the class, so a PACS
that holds another transcodes silently, fails, or sends nothing. Of five strategies the best was one context
for each pair of class and syntax: an origin can then send every instance as it holds it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom import uid
from pynetdicom import sop_class

MAX_CONTEXTS: Final = 128

UNCOMPRESSED: Final[tuple[str, ...]] = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
"""In the order in which they are proposed: DCMTK's providers take the first context that is accepted."""
COMPRESSED: Final[tuple[str, ...]] = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEGLSNearLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.RLELossless,
)
RARE: Final[tuple[str, ...]] = (
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2K,
    uid.JPEG2000MCLossless,
    uid.JPEG2000MC,
    uid.MPEG2MPML,
    uid.MPEG2MPHL,
    uid.MPEG4HP41,
    uid.MPEG4HP41BD,
    uid.MPEG4HP422D,
    uid.MPEG4HP423D,
    uid.MPEG4HP42STEREO,
    uid.HEVCMP51,
    uid.HEVCM10P51,
)
"""For what the common ones did not bring; a first attempt has no room for them."""


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context to propose."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False
    """Whether the origin shall send and we receive (the SCP role), as in a C-GET."""


STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
"""The Study Root Query/Retrieve Information Model (PS3.4 C.6.2)."""
WORKLIST_FIND: Final = "1.2.840.10008.5.1.4.31"
"""Modality Worklist Information Model - FIND (PS3.4 K.6.1)."""

VERIFICATION: Final = Context("1.2.840.10008.1.1", (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian))
FIND: Final = Context(STUDY_ROOT_FIND, (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian))
WORKLIST: Final = Context(WORKLIST_FIND, (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian))
GET: Final = Context(STUDY_ROOT_GET, (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian))
MOVE: Final = Context(STUDY_ROOT_MOVE, (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian))

_WITH_PIXELS: Final = (
    "Image",
    "RTDose",
    "Segmentation",
    "ParametricMap",
    "Microscopy",
    "WideField",
    "ThicknessMap",
    "USVolume",
    "BscanVolume",
)
_WITHOUT_PIXELS: Final = ("SurfaceSegmentation", "Annotation", "ImagingAgent")
_STORAGE: Final = {value: keyword for keyword, value in sop_class._STORAGE_CLASSES.items()}
NON_PATIENT_OBJECTS: Final[tuple[str, ...]] = tuple(sop_class._NON_PATIENT_OBJECT_CLASSES.values())
"""Storage classes of objects that belong to no patient, such as colour palettes (PS3.4 GG)."""


def has_pixels(sop_class_uid: str) -> bool:
    """Tell whether instances of a class may be compressed; one that we do not know may be.

    Some PACS answer A702 when compressed syntaxes are offered for a class without pixels.
    """
    if sop_class_uid in NON_PATIENT_OBJECTS:
        return False
    keyword = _STORAGE.get(sop_class_uid)
    if keyword is None:
        return True
    return any(part in keyword for part in _WITH_PIXELS) and not any(
        part in keyword for part in _WITHOUT_PIXELS
    )


def for_get(
    sop_class_uids: Iterable[str], syntaxes: Sequence[str] = (*UNCOMPRESSED, *COMPRESSED)
) -> list[tuple[Context, ...]]:
    """Give the contexts for a C-GET of these classes, a group for each association that it takes.

    Args:
        sop_class_uids: from SOP Classes in Study, SOP Class UID below it, or `classes_of` the modalities.
        syntaxes: those to offer, in this order; classes without pixels get the uncompressed ones among them.
    """
    groups: list[list[Context]] = []
    for sop_class_uid in dict.fromkeys(sop_class_uids):
        offered = [name for name in syntaxes if name in UNCOMPRESSED or has_pixels(sop_class_uid)]
        contexts = [Context(sop_class_uid, (name,), as_scp=True) for name in offered]
        if not contexts:
            continue
        if not groups or len(groups[-1]) + len(contexts) > MAX_CONTEXTS:
            groups.append([GET])
        groups[-1].extend(contexts)
    return [tuple(group) for group in groups]


def for_store(pairs: Iterable[tuple[str, str]]) -> list[tuple[Context, ...]]:
    """Give the contexts for storing these pairs of SOP class and transfer syntax, in groups that fit."""
    contexts = [Context(sop_class_uid, (name,)) for sop_class_uid, name in dict.fromkeys(pairs)]
    return [tuple(contexts[start : start + MAX_CONTEXTS]) for start in range(0, len(contexts), MAX_CONTEXTS)]


_SECONDARY: Final = (uid.SecondaryCaptureImageStorage,)
_BY_MODALITY: Final[dict[str, tuple[str, ...]]] = {
    "CR": (uid.ComputedRadiographyImageStorage, uid.DigitalXRayImageStorageForPresentation),
    "CT": (uid.CTImageStorage, uid.EnhancedCTImageStorage),
    "DX": (
        uid.DigitalXRayImageStorageForPresentation,
        uid.DigitalXRayImageStorageForProcessing,
        uid.ComputedRadiographyImageStorage,
    ),
    "ECG": (uid.TwelveLeadECGWaveformStorage, uid.GeneralECGWaveformStorage),
    "ES": (uid.VLEndoscopicImageStorage, uid.VideoEndoscopicImageStorage),
    "IO": (uid.DigitalIntraOralXRayImageStorageForPresentation,),
    "KO": (uid.KeyObjectSelectionDocumentStorage,),
    "MG": (
        uid.DigitalMammographyXRayImageStorageForPresentation,
        uid.DigitalMammographyXRayImageStorageForProcessing,
        uid.BreastTomosynthesisImageStorage,
    ),
    "MR": (uid.MRImageStorage, uid.EnhancedMRImageStorage, uid.MRSpectroscopyStorage),
    "NM": (uid.NuclearMedicineImageStorage,),
    "OP": (uid.OphthalmicPhotography8BitImageStorage, uid.OphthalmicPhotography16BitImageStorage),
    "OPT": (uid.OphthalmicTomographyImageStorage,),
    "OT": (
        uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
    ),
    "PR": (uid.GrayscaleSoftcopyPresentationStateStorage, uid.ColorSoftcopyPresentationStateStorage),
    "PT": (uid.PositronEmissionTomographyImageStorage, uid.EnhancedPETImageStorage),
    "RF": (uid.XRayRadiofluoroscopicImageStorage, uid.EnhancedXRFImageStorage),
    "RTDOSE": (uid.RTDoseStorage,),
    "RTIMAGE": (uid.RTImageStorage,),
    "RTPLAN": (uid.RTPlanStorage, uid.RTIonPlanStorage),
    "RTSTRUCT": (uid.RTStructureSetStorage,),
    "SC": _SECONDARY,
    "SEG": (uid.SegmentationStorage, uid.SurfaceSegmentationStorage),
    "SM": (uid.VLWholeSlideMicroscopyImageStorage,),
    "SR": (
        uid.BasicTextSRStorage,
        uid.EnhancedSRStorage,
        uid.ComprehensiveSRStorage,
        uid.Comprehensive3DSRStorage,
        uid.XRayRadiationDoseSRStorage,
    ),
    "US": (uid.UltrasoundImageStorage, uid.UltrasoundMultiFrameImageStorage),
    "XA": (uid.XRayAngiographicImageStorage, uid.EnhancedXAImageStorage),
    "XC": (uid.VLPhotographicImageStorage,),
}


def classes_of(modalities: Iterable[str]) -> tuple[str, ...]:
    """Guess the SOP classes of a study from its modalities; secondary captures may be in any."""
    found = [name for modality in modalities for name in _BY_MODALITY.get(modality, ())]
    return tuple(dict.fromkeys([*found, *_SECONDARY]))
