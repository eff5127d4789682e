"""Structured reports as documents that people and programs can read without knowing DICOM (PS3.3 C.17)."""

from isthmus.wado.reports.content import Report, is_report, report_of
from isthmus.wado.reports.html import as_html
from isthmus.wado.reports.text import as_text

__all__ = ["Report", "as_html", "as_text", "is_report", "report_of"]
