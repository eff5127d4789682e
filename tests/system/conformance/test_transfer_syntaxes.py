"""Every transfer syntax of the files: retrieved, transcoded, rendered, and its frames served.

What is expected is what Orthanc itself sends by C-MOVE, to a receiver that keeps every bit, and how pydicom
reads the pixels of the file; pictures are compared with the formulas of PS3.3.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, JPEGExtended12Bit

from tests.data_sets import pydicom_files, raw_dataset, transfer_syntax
from tests.peers import Orthanc, Storescp, movescu
from tests.system.conformance.answers import parts
from tests.system.conformance.samples import (
    DICOM,
    EXPLICIT,
    OCTET_PARTS,
    OCTETS,
    Pixels,
    Sample,
    get,
    got,
    pixels,
    read,
    sample,
)
from tests.system.problem import problem
from tests.wado.rendering.reference import reference_picture

ORTHANC: Final = "/aets/orthanc-both"
IMPLICIT: Final = "1.2.840.10008.1.2"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
RLE: Final = "1.2.840.10008.1.2.5"
JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000: Final = "1.2.840.10008.1.2.4.90"
LOSSLESS: Final = (RLE, JPEG_LS, JPEG_2000)
"""What pixels can be compressed to."""


class Case(NamedTuple):
    """A file, and what is special about it."""

    name: str
    fits: Sequence[str] = LOSSLESS
    """What it can be compressed to: by its bits, its photometric interpretation, and its size."""


CASES: Final = {
    IMPLICIT: (Case("MR_small_implicit"), Case("rtdose", fits=())),
    EXPLICIT: (
        Case("CT_small"),
        Case("examples_palette"),
        Case("examples_overlay"),
        Case("examples_rgb_color"),
        Case("SC_ybr_full_422_uncompressed"),
        Case("SC_rgb_small_odd", fits=(RLE,)),
        Case("17106", fits=(RLE, JPEG_LS)),
        Case("liver_1frame", fits=()),
    ),
    "1.2.840.10008.1.2.1.99": (Case("image_dfl"),),
    BIG_ENDIAN: (
        Case("MR_small_bigendian"),
        Case("rtdose_expb_1frame", fits=()),
        Case("SC_rgb_small_odd_big_endian", fits=(RLE,)),
    ),
    "1.2.840.10008.1.2.4.50": (
        Case("SC_rgb_dcmtk_+eb+cr"),
        Case("SC_rgb_dcmtk_+eb+cy+s4"),
        Case("SC_rgb_small_odd_jpeg", fits=(RLE,)),
    ),
    "1.2.840.10008.1.2.4.51": (Case("JPEG-lossy"), Case("JPGExtended")),
    "1.2.840.10008.1.2.4.70": (Case("SC_rgb_jpeg_gdcm"),),
    JPEG_LS: (Case("MR_small_jpeg_ls_lossless"),),
    "1.2.840.10008.1.2.4.81": (
        Case("JPEGLSNearLossless_08", fits=(RLE, JPEG_LS)),
        Case("JPEGLSNearLossless_16", fits=(RLE, JPEG_LS)),
        Case("SC_rgb_jls_lossy_line"),
        Case("SC_rgb_jls_lossy_sample"),
    ),
    JPEG_2000: (Case("MR_small_jp2klossless"), Case("examples_jpeg2k"), Case("GDCMJ2K_TextGBR")),
    "1.2.840.10008.1.2.4.91": (Case("JPEG2000"), Case("693_J2KI"), Case("SC_rgb_gdcm_KY")),
    RLE: (
        Case("MR_small_RLE"),
        Case("SC_rgb_rle_2frame"),
        Case("SC_rgb_rle_16bit"),
        Case("SC_rgb_rle_32bit", fits=(RLE,)),
    ),
}
LOSSY: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81, 91))
WITHOUT_STUDY: Final = frozenset(case.name for case in CASES["1.2.840.10008.1.2.4.81"])
"""They have no Study Instance UID, so that nobody can ask for them: they get one, and another PACS."""
NAMES: Final = [case.name for cases in CASES.values() for case in cases]
ALL: Final = {case.name: (syntax, case) for syntax, cases in CASES.items() for case in cases}


class Held(NamedTuple):
    """An image at an origin."""

    sample: Sample
    url: str
    syntax: str
    case: Case

    @property
    def is_lossy(self) -> bool:
        return self.syntax in LOSSY

    @property
    def as_held(self) -> str:
        """The transfer syntax in which it comes with `*`."""
        return EXPLICIT if self.syntax in {IMPLICIT, BIG_ENDIAN} else self.syntax

    @property
    def frames_as_held(self) -> str:
        """That in which its frames come with it: bulk data are not deflated (8.7.3.3.2, Note 3)."""
        return self.as_held if UID(self.as_held).is_encapsulated else EXPLICIT

    def expected(self) -> list[Pixels]:
        """Its frames, as pydicom decodes them."""
        return frames_of(self.sample.read())


def frames_of(ds: pydicom.Dataset) -> list[Pixels]:
    """The frames of a data set, as pydicom decodes them, or libjpeg those of 12 bits, which it does not."""
    count = int(ds.get("NumberOfFrames", 1))
    if ds.file_meta.TransferSyntaxUID == JPEGExtended12Bit and ds.BitsStored == 12:
        return [np.asarray(imagecodecs.jpeg_decode(get_frame(ds.PixelData, 0, number_of_frames=1)))]
    found = pixel_array(ds)
    return [found] if count == 1 else [*found]


def test_every_transfer_syntax_of_the_corpus_is_one_of_these() -> None:
    assert {transfer_syntax(file) for file in pydicom_files()} == {*CASES}


@pytest.fixture(scope="module")
def reachable(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Path], _writable_orthanc: Orthanc
) -> dict[str, Held]:
    """All of them, each at the origin that holds it."""
    directory = tmp_path_factory.mktemp("with-study")
    found = {}
    for name, (syntax, case) in ALL.items():
        image, root = sample(corpus, name), ORTHANC
        if name in WITHOUT_STUDY:
            image, root = with_study(image, directory), "/aets/empty"
        found[name] = Held(image, root + image.instance, syntax, case)
    _writable_orthanc.load(found[name].sample.file for name in WITHOUT_STUDY)
    return found


def with_study(image: Sample, directory: Path) -> Sample:
    ds = image.read()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.826.81.{len(image.file.name)}", "1.2.826.81.1"
    ds.PatientID = ds.PatientName = "NOBODY"
    ds.SOPClassUID = ds.get("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7")
    file = directory / image.file.name
    ds.save_as(file)
    return Sample(file)


@pytest.fixture
def held(request: pytest.FixtureRequest, reachable: dict[str, Held]) -> Held:
    return reachable[request.param]


@pytest.fixture(scope="module")
def moved(
    http: httpx2.Client, reachable: dict[str, Held], orthanc: Orthanc, _storescp: Storescp
) -> dict[str, bytes]:
    """What Orthanc sends of them by C-MOVE, by SOP Instance UID."""
    _storescp.clear()
    held = {each.sample.who.study_instance_uid for each in reachable.values() if each.url.startswith(ORTHANC)}
    for study in sorted(held):
        keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study}
        movescu(orthanc.peer, _storescp.peer.ae_title, keys)
    received = {uid: copies[0] for uid, copies in _storescp.datasets().items()}
    _storescp.clear()
    return received


every = pytest.mark.parametrize("held", NAMES, indirect=True)


@every
def test_as_it_is_held_it_comes_byte_for_byte(
    http: httpx2.Client, held: Held, moved: dict[str, bytes]
) -> None:
    response = got(http, held.url, f"{DICOM}; transfer-syntax=*")
    assert response.headers["Content-Type"] == f"{DICOM}; transfer-syntax={held.as_held}"
    assert transfer_syntax(response.content) == held.as_held
    uid = held.sample.who.sop_instance_uid
    if held.as_held == held.syntax and uid in moved:
        assert raw_dataset(response.content) == moved[uid]


@every
def test_in_explicit_vr_its_pixels_are_those_of_pydicom(http: httpx2.Client, held: Held) -> None:
    """By default, or for what has lost something by name."""
    syntax = f"; transfer-syntax={EXPLICIT}" if held.is_lossy else ""
    content = got(http, held.url, DICOM + syntax).content
    assert transfer_syntax(content) == EXPLICIT
    ds = read(content)
    assert ds.get("LossyImageCompression") == held.sample.read().get("LossyImageCompression") or held.is_lossy
    check_same(frames_of(ds), held.expected(), within=int(held.is_lossy))
    if held.is_lossy:
        assert transfer_syntax(got(http, held.url, DICOM).content) == held.syntax


def check_same(found: Sequence[Pixels], expected: Sequence[Pixels], *, within: int = 0) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert int(np.abs(one.astype(np.int64) - other).max()) <= within


@every
def test_it_is_compressed_without_loss_where_its_pixels_allow(http: httpx2.Client, held: Held) -> None:
    """Else it is 406, which names the instance."""
    explicit = read(got(http, held.url, f"{DICOM}; transfer-syntax={EXPLICIT}").content)
    for target in LOSSLESS:
        response = get(http, held.url, f"{DICOM}; transfer-syntax={target}")
        if target in {*held.case.fits, held.syntax}:
            assert response.status_code == 200, response.text
            assert transfer_syntax(response.content) == target
            check_same(frames_of(read(response.content)), frames_of(explicit))
        else:
            assert problem(response, 406)["instance"] == held.sample.who.sop_instance_uid


@every
def test_its_frames_are_served_native_and_as_they_are_held(http: httpx2.Client, held: Held) -> None:
    ds = held.sample.read()
    count = int(ds.get("NumberOfFrames", 1))
    explicit = read(got(http, held.url, f"{DICOM}; transfer-syntax={EXPLICIT}").content)
    size = len(explicit.PixelData) // count
    listed = ",".join(map(str, range(1, count + 1)))
    native = [part.content for part in parts(got(http, f"{held.url}/frames/{listed}", OCTET_PARTS), OCTETS)]
    padded = b"".join(native)
    assert len(native) == count
    assert padded + bytes(len(padded) % 2) == explicit.PixelData[: size * count + len(padded) % 2]
    as_held = got(http, f"{held.url}/frames/{count}", f"{OCTETS}; transfer-syntax=*")
    assert as_held.headers["Content-Type"] == f"{OCTETS}; transfer-syntax={held.frames_as_held}"
    if UID(held.syntax).is_encapsulated:
        assert as_held.content == get_frame(ds.PixelData, count - 1, number_of_frames=count)
    else:
        assert as_held.content == native[-1]
        if held.syntax != ExplicitVRBigEndian:
            assert padded == ds.PixelData[: len(padded)]


@every
def test_it_is_rendered_as_the_formulas_say(http: httpx2.Client, held: Held) -> None:
    """In PNG within one level, and in JPEG near to that."""
    url = f"{held.url}/frames/1/rendered"
    lossless = pixels(got(http, url, "image/png").content)
    reference = reference_picture(held.sample.file)
    assert lossless.shape == reference.shape
    assert np.abs(lossless.astype(np.int16) - reference).max() <= 1
    lossy = pixels(got(http, url, "image/jpeg", {"quality": "100"}).content)
    assert np.abs(lossy.astype(np.int16) - lossless).mean() < 2
    thumbnail = pixels(got(http, f"{held.url}/thumbnail").content)
    assert max(thumbnail.shape[:2]) <= 128
