"""What is written into a picture: who it shows, and how it was made (PS3.18 8.3.5.1.1)."""

from typing import Final

from PIL import Image, ImageDraw

from isthmus.wado.pictures.rendering.fonts import Font, drawable, font_of
from isthmus.wado.pictures.rendering.frame_header import FrameHeader
from isthmus.wado.pictures.rendering.request import Annotation
from isthmus.wado.pictures.rendering.values import character_set_of, free_text, number, text


def annotated(picture: Image.Image, header: FrameHeader, wanted: frozenset[Annotation]) -> Image.Image:
    """Write into a picture: the patient at the top left, the technique at the bottom left."""
    for annotation, lines in ((Annotation.PATIENT, patient_lines), (Annotation.TECHNIQUE, technique_lines)):
        if annotation in wanted:
            _write(picture, lines(header), at_bottom=annotation is Annotation.TECHNIQUE)
    return picture


def patient_lines(header: FrameHeader) -> list[str]:
    """Tell whom the picture shows, and when it was taken."""
    ds, characters = header.ds, character_set_of(header.ds)
    lines = [
        _name(free_text(ds, "PatientName", characters)),
        _labelled("ID", free_text(ds, "PatientID", characters)),
        _labelled("Born", _date(text(ds, "PatientBirthDate"))),
        _labelled("Sex", text(ds, "PatientSex")),
        _labelled("Study", _date(text(ds, "StudyDate"))),
    ]
    return [line for line in lines if line]


def technique_lines(header: FrameHeader) -> list[str]:
    """Tell how the picture was made."""
    ds = header.ds
    frame = str(header.number) if (number(ds, "NumberOfFrames") or 1) > 1 else ""
    place = [
        _labelled("Series", text(ds, "SeriesNumber")),
        _labelled("Image", text(ds, "InstanceNumber")),
        _labelled("Frame", frame),
    ]
    lines = [
        " ".join(
            part
            for part in (text(ds, "Modality"), free_text(ds, "SeriesDescription", character_set_of(ds)))
            if part
        ),
        "  ".join(part for part in place if part),
        "  ".join(part for keyword, form in _TECHNIQUE if (part := _measured(header, keyword, form))),
    ]
    return [line for line in lines if line]


_TECHNIQUE: Final = (
    ("KVP", "{} kV"),
    ("XRayTubeCurrent", "{} mA"),
    ("Exposure", "{} mAs"),
    ("RepetitionTime", "TR {} ms"),
    ("EchoTime", "TE {} ms"),
    ("SliceThickness", "{} mm"),
    ("SliceLocation", "at {} mm"),
)


def _measured(header: FrameHeader, keyword: str, form: str) -> str:
    value = text(header.source(_MACROS.get(keyword, "PixelMeasuresSequence"), keyword), keyword)
    try:
        return form.format(f"{float(value):.5g}")
    except ValueError:
        return ""


_MACROS: Final = {
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "EchoTime": "MREchoSequence",
    "KVP": "CTXRayDetailsSequence",
}


def _name(name: str) -> str:
    """Give a name as it is read: the alphabetic group, or another one where it is empty (PS3.5 6.2.1)."""
    group = next((group for group in name.split("=") if group.strip(" ^")), "")
    family, *others = (part.strip() for part in group.split("^"))
    return ", ".join(part for part in (family, " ".join(filter(None, others))) if part)


def _labelled(label: str, value: str) -> str:
    return f"{label} {value}" if value else ""


def _date(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdigit() else value


def _write(picture: Image.Image, lines: list[str], *, at_bottom: bool) -> None:
    """Write white letters with black rims, as large as is good to read and the picture is wide enough for."""
    margin = max(min(picture.size) // 64, 1)
    font = _fitting(lines, picture.width - 2 * margin, picture.height // 2 // max(len(lines), 1))
    height = _line_height(font)
    top = picture.height - margin - height * len(lines) if at_bottom else margin
    draw = ImageDraw.Draw(picture)
    white, black = (255, 0) if picture.mode == "L" else ((255, 255, 255), (0, 0, 0))
    for place, line in enumerate(lines):
        corner = (margin, top + place * height)
        draw.text(corner, drawable(line, font), font=font, fill=white, stroke_width=1, stroke_fill=black)


_LARGEST: Final = 48
_SMALLEST: Final = 8


def _fitting(lines: list[str], width: int, height: int) -> Font:
    size = min(max(height * 2 // 3, _SMALLEST), max(width // 32, 12), _LARGEST)
    while size > _SMALLEST and any(
        font_of(size).getlength(drawable(line, font_of(size))) > width for line in lines
    ):
        size -= 1
    return font_of(size)


def _line_height(font: Font) -> int:
    _, top, _, bottom = font.getbbox("Ág", stroke_width=1)
    return int(bottom - min(top, 0)) + 1
