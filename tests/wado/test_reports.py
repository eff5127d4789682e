"""Structured reports as documents: all that they say, and none of it as markup."""

import html
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from defusedxml import ElementTree
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian, generate_uid

from isthmus.common.errors import MalformedDataset
from isthmus.wado.pictures.reports import report_document
from tests.data_sets import pydicom_files

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of what is hostile

HOSTILE = "<script>alert(1)</script>\"'&\x00\x0b\x1b]]><!--"
REPORTS = [
    file
    for file in pydicom_files()
    if file.name in {"test-SR.dcm", "reportsi.dcm", "reportsi_with_empty_number_tags.dcm"}
]


def code(meaning: str, value: str = "1", scheme: str = "99TEST") -> Dataset:
    ds = Dataset()
    ds.CodeMeaning, ds.CodeValue, ds.CodingSchemeDesignator = meaning, value, scheme
    return ds


def content(value_type: str, name: str, **values: object) -> Dataset:
    ds = Dataset()
    ds.RelationshipType, ds.ValueType = "CONTAINS", value_type
    ds.ConceptNameCodeSequence = [code(name)]
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def report(*children: Dataset, title: str = "Findings", **values: object) -> bytes:
    """Give a small report as a file."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = BasicTextSRStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality, ds.ValueType = "SR", "CONTAINER"
    ds.ConceptNameCodeSequence = [code(title)]
    ds.ContentSequence = list(children)
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    file = BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def page(instance: bytes, service: str = "/aets/pacs") -> str:
    return report_document(instance, "text/html", service).decode()


def text(instance: bytes) -> str:
    return report_document(instance, "text/plain", "/aets/pacs").decode()


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.said = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.said += data


def texts_of(ds: Dataset) -> Iterator[str]:
    """What is said in a content tree, as pydicom reads it."""
    for item in ds.get("ContentSequence", []):
        for keyword in ("TextValue", "UID"):
            if keyword in item:
                yield str(item[keyword].value)
        for sequence in ("ConceptNameCodeSequence", "ConceptCodeSequence"):
            yield from (each.CodeMeaning for each in item.get(sequence, []) if "CodeMeaning" in each)
        yield from texts_of(item)


@pytest.mark.parametrize("file", REPORTS, ids=lambda file: str(file.name))
@pytest.mark.parametrize("media_type", ["text/html", "text/plain", "text/xml"])
def test_all_that_a_report_says_is_in_each_form(file: Path, media_type: str) -> None:
    written = report_document(file.read_bytes(), media_type, "/aets/pacs").decode()
    said = html.unescape(written) if media_type == "text/html" else written
    if media_type == "text/xml":
        said = "".join(ElementTree.fromstring(written).itertext())
    found = list(texts_of(pydicom.dcmread(file)))
    assert len(found) > 10
    for expected in found:
        for line in expected.replace("\r", "\n").split("\n"):
            assert line.strip() in said


def test_values_are_never_markup() -> None:
    instance = report(
        content("TEXT", HOSTILE, TextValue=HOSTILE),
        content("CODE", "Code", ConceptCodeSequence=[code(HOSTILE, HOSTILE, HOSTILE)]),
        content("PNAME", "Person", PersonName=HOSTILE),
        content(
            "IMAGE",
            "Image",
            ReferencedSOPSequence=[referenced("1.2.3")],
        ),
        title=HOSTILE,
        PatientName=HOSTILE,
        StudyDescription=HOSTILE,
    )
    found = Page(page(instance))
    assert found.tags <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "table", "tr", "th", "td"),
        *("p", "span", "section", "div", "a"),
    }
    assert found.attributes <= {"lang", "charset", "class", "title", "href"}
    assert "alert(1)" in found.said
    assert not set("\x00\x0b\x1b") & set(found.said)


def referenced(uid: str, *frames: int) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
    if frames:
        ds.ReferencedFrameNumber = list(frames)
    return ds


def evidence(study: str, series: str, *uids: str) -> Dataset:
    inner = Dataset()
    inner.SeriesInstanceUID = series
    inner.ReferencedSOPSequence = [referenced(uid) for uid in uids]
    ds = Dataset()
    ds.StudyInstanceUID, ds.ReferencedSeriesSequence = study, [inner]
    return ds


def test_images_are_links_to_their_pictures_at_the_same_origin() -> None:
    instance = report(
        content("IMAGE", "Image", ReferencedSOPSequence=[referenced("1.2.3")]),
        content("IMAGE", "Frames", ReferencedSOPSequence=[referenced("1.2.4", 2, 3)]),
        content("IMAGE", "Elsewhere", ReferencedSOPSequence=[referenced("1.2.5")]),
        CurrentRequestedProcedureEvidenceSequence=[evidence("1.1", "1.2", "1.2.3", "1.2.4")],
    )
    found = Page(page(instance, "/dicomweb"))
    below = "/dicomweb/studies/1.1/series/1.2/instances"
    assert found.links == [f"{below}/1.2.3/rendered", f"{below}/1.2.4/frames/2,3/rendered"]
    assert "1.2.5" in found.said


def test_a_uid_that_is_none_is_no_way_out_of_a_link() -> None:
    hostile = '../../"onclick="x'
    instance = report(
        content("IMAGE", "Image", ReferencedSOPSequence=[referenced(hostile)]),
        CurrentRequestedProcedureEvidenceSequence=[evidence("1.1", "javascript:x", hostile)],
    )
    found = Page(page(instance))
    assert found.links == [
        "/aets/pacs/studies/1.1/series/javascript%3Ax/instances/..%2F..%2F%22onclick%3D%22x/rendered"
    ]
    assert "onclick" not in found.attributes


def test_measurements_have_their_units() -> None:
    measured, counted = Dataset(), Dataset()
    measured.NumericValue = "12.50"
    measured.MeasurementUnitsCodeSequence = [code("millimeter", "mm", "UCUM")]
    counted.NumericValue = "3"
    counted.MeasurementUnitsCodeSequence = [code("no units", "1", "UCUM")]
    instance = report(
        content("NUM", "Diameter", MeasuredValueSequence=[measured]),
        content("NUM", "Lesions", MeasuredValueSequence=[counted]),
        content("NUM", "Volume", NumericValueQualifierCodeSequence=[code("Measurement failure")]),
    )
    assert "Diameter: 12.5 mm\n" in text(instance)
    assert "Lesions: 3\n" in text(instance)
    assert "Volume: Measurement failure\n" in text(instance)


def test_dates_times_and_names_are_written_as_people_do() -> None:
    instance = report(
        content("DATE", "Date", Date="20240229"),
        content("TIME", "Time", Time="101500.5"),
        content("DATETIME", "Moment", DateTime="202402291015+0100"),
        content("PNAME", "Person", PersonName="Müller^Anna^B^Dr^PhD=山田^花子"),
    )
    said = text(instance)
    assert "Date: 2024-02-29\n" in said
    assert "Time: 10:15:00\n" in said
    assert "Moment: 2024-02-29 10:15 UTC+0100\n" in said
    assert "Person: Müller, Dr Anna B PhD (山田, 花子)\n" in said


def test_a_report_that_breaks_off_is_refused() -> None:
    instance = report(*(content("TEXT", "Finding", TextValue=f"Number {number}") for number in range(50)))
    with pytest.raises(MalformedDataset):
        page(instance[: len(instance) * 2 // 3])


def test_a_report_of_which_a_value_cannot_be_read_does_not_look_whole() -> None:
    measured = Dataset()
    measured.NumericValue = "12.5"
    instance = report(
        content("TEXT", "Finding", TextValue="One"),
        content("NUM", "Diameter", MeasuredValueSequence=[measured]),
    )
    assert "not the whole report" not in page(instance)
    broken = instance.replace(b"12.5", b"12,5")
    for written in (page(broken), text(broken)):
        assert "One" in written
        assert "This is not the whole report" in written


def test_a_tree_of_any_depth_is_no_danger() -> None:
    item = content("TEXT", "Innermost", TextValue="deep")
    for _ in range(200):
        item = content("CONTAINER", "Level", ContentSequence=[item])
    written = page(report(item))
    assert "This is not the whole report" in written


def test_what_is_no_report_is_refused() -> None:
    (plan,) = (file for file in pydicom_files() if file.name == "rtplan.dcm")
    with pytest.raises(MalformedDataset):
        report_document(plan.read_bytes(), "text/html", "/aets/pacs")
    with pytest.raises(MalformedDataset):
        report_document(b"nothing", "text/html", "/aets/pacs")
