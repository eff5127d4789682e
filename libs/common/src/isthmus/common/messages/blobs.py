"""Blob refs: where an instance is, and what it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlobRef:
    """One DICOM Part 10 instance in S3."""

    bucket: str
    key: str
    size: int
    """Bytes, the Part 10 header included."""
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
