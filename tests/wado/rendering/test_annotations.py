"""What is written into a picture (PS3.18 8.3.5.1.1)."""

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import ImageFont
from pydicom import dcmread
from pydicom.dataset import Dataset

from isthmus.wado.pictures.rendering import Annotation, Viewport, fonts
from isthmus.wado.pictures.rendering.annotations import patient_lines, technique_lines
from isthmus.wado.pictures.rendering.fonts import drawable, font_of
from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from tests.wado.rendering.images import LOSSLESS, Held, item, made

BLANK = np.full((256, 256), 60, np.uint8)
PATIENT = replace(LOSSLESS, annotations=frozenset({Annotation.PATIENT}))
TECHNIQUE = replace(LOSSLESS, annotations=frozenset({Annotation.TECHNIQUE}))
WHO: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Müller^Jürgen",
    "PatientID": "4711",
    "PatientBirthDate": "19700102",
    "PatientSex": "M",
    "StudyDate": "20260102",
    "Modality": "CT",
    "SeriesDescription": "Thorax",
    "SeriesNumber": "3",
    "InstanceNumber": "7",
    "KVP": "120.0",
    "SliceThickness": "1.25",
}


def _header(image: Held, number: int = 1) -> FrameHeader:
    return FrameHeader(dcmread(BytesIO(image.head)), number)


def test_nothing_is_written_that_is_not_asked_for() -> None:
    assert np.array_equal(made(BLANK, **WHO).picture(), BLANK)


def test_the_patient_is_written_at_the_top_left() -> None:
    written = made(BLANK, **WHO).picture(PATIENT) != BLANK
    assert written[:128, :128].any()
    assert not written[128:].any()


def test_the_technique_is_written_at_the_bottom_left() -> None:
    written = made(BLANK, **WHO).picture(TECHNIQUE) != BLANK
    assert written[128:, :128].any()
    assert not written[:128].any()


def test_letters_are_white_with_black_rims() -> None:
    image = made(np.full((256, 256, 3), 128, np.uint8), **WHO)
    assert {(0, 0, 0), (255, 255, 255)} <= {tuple(pixel) for pixel in image.picture(PATIENT).reshape(-1, 3)}


def test_letters_are_not_scaled_with_the_picture() -> None:
    image = made(np.full((2048, 2048), 60, np.uint8), **WHO)
    small = image.picture(replace(PATIENT, viewport=Viewport(128, 128)))
    assert 255 in small


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (16, 300), (300, 16)])
def test_a_small_picture_is_annotated_as_far_as_it_goes(shape: tuple[int, int]) -> None:
    request = replace(PATIENT, annotations=frozenset(Annotation))
    assert made(np.zeros(shape, np.uint8), **WHO).picture(request).shape == shape


def test_what_is_said_of_the_patient() -> None:
    lines = patient_lines(_header(made(BLANK, **WHO)))
    assert lines == ["Müller, Jürgen", "ID 4711", "Born 1970-01-02", "Sex M", "Study 2026-01-02"]


def test_what_is_said_of_the_technique() -> None:
    frames = made([BLANK, BLANK], **WHO)
    assert technique_lines(_header(frames, 2)) == [
        "CT Thorax",
        "Series 3  Image 7  Frame 2",
        "120 kV  1.25 mm",
    ]


def test_the_technique_of_a_frame() -> None:
    groups = [item(MREchoSequence=[item(EffectiveEchoTime=5.0, EchoTime="12.5")])]
    image = made([BLANK, BLANK], Modality="MR", PerFrameFunctionalGroupsSequence=[item(), *groups])
    assert technique_lines(_header(image, 2))[-1] == "TE 12.5 ms"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"),
        ("=山田^太郎", "山田, 太郎"),
        ("Doe^Jane^Q^Dr", "Doe, Jane Q Dr"),
        ("", None),
    ],
)
def test_names_are_written_by_their_alphabetic_group(name: str, written: str | None) -> None:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientName = name
    assert patient_lines(FrameHeader(ds, 1)) == ([] if written is None else [written])


def test_letters_that_the_font_lacks_are_written_plain_or_as_question_marks() -> None:
    ascii_only = ImageFont.load_default(12)
    assert drawable("Müller-Łódź ß 山\n", ascii_only) == "Muller-Lodz ss ?"


def test_a_font_is_found_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_FILE", "a font that no system has.ttf")
    font_of.cache_clear()
    try:
        assert 255 in made(BLANK, **WHO).picture(PATIENT)
    finally:
        font_of.cache_clear()


def test_damaged_values_are_left_out() -> None:
    damaged = made(BLANK, **WHO | {"KVP": "", "NumberOfFrames": "1"})
    head = damaged.head.replace(b"1.25", b"thin")
    assert technique_lines(_header(damaged._replace(head=head))) == ["CT Thorax", "Series 3  Image 7"]
