"""Structured reports as documents: a page, a text, or all that the instance holds in XML."""

from io import BytesIO
from typing import Final

from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.json_model import JsonWriter
from isthmus.common.dicom.xml_model import native_model
from isthmus.common.errors import MalformedDataset
from isthmus.wado.pictures.reports.content import is_report, report_of
from isthmus.wado.pictures.reports.html import as_html
from isthmus.wado.pictures.reports.text import as_text

HTML: Final = "text/html"
XML: Final = "text/xml"


def report_document(instance: bytes, media_type: str, service: str) -> bytes:
    """Write a structured report; to be run in another process, for it may hold what takes long to read.

    Args:
        instance: The Part 10 file.
        media_type: `text/html`, `text/plain` or `text/xml`, the Native DICOM Model (PS3.19 A.1).
        service: The path of the resources of its origin, for the links in it.

    Raises:
        MalformedDataset: it is no report, or cannot be read.
    """
    dataset = open_dataset(BytesIO(instance))
    writer = JsonWriter(None)
    attributes = writer.read(dataset.reader, dataset.encoding)
    if not is_report(attributes):
        raise MalformedDataset("It has no content that a report has")
    if media_type == XML:
        return native_model(attributes)
    report = report_of(attributes, writer.left_out)
    return as_html(report, service) if media_type == HTML else as_text(report)
