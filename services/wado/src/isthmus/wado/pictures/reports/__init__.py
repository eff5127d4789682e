"""Structured reports as documents that people and programs can read without knowing DICOM (PS3.3 C.17)."""

from isthmus.wado.pictures.reports.document import report_document

__all__ = ["report_document"]
