"""What may be told of a subject, in spans and errors: its tokens hold UIDs, and stay out."""

from collections.abc import Mapping
from typing import Final

TEMPLATES: Final[Mapping[str, str]] = {
    "dicom.query": "dicom.query.{origin}",
    "dicom.worklist": "dicom.worklist.{origin}",
    "dicom.echo": "dicom.echo.{origin}",
    "dicom.delete": "dicom.delete.{origin}",
    "dicom.retrieve": "dicom.retrieve.{origin}.{lane}.{study}",
    "dicom.interest": "dicom.interest.{origin}.{study}.{generation}",
    "dicom.ahead": "dicom.ahead.{origin}.{study}",
    "dicom.received": "dicom.received.{origin}.{study}",
    "dicom.progress": "dicom.progress.{origin}.{study}.{generation}",
    "dicom.store": "dicom.store.{origin}",
    "dicom.stored": "dicom.stored.{origin}.{job}",
    "dicom.handed": "dicom.handed.{stream}.{generation}",
    "dicom.slots": "dicom.slots.{origin}.{n}",
    "dicom.wanted": "dicom.wanted.{origin}",
    "dicom.events": "dicom.events.{type}.{inbox}",
    "dicom.told": "dicom.told.{inbox}.{study}",
    "dicom.timer": "dicom.timer.{what}.{inbox}.{study}",
    "dicom.forward": "dicom.forward.{destination}.{inbox}.{study}",
    "dicom.webhook": "dicom.webhook.{name}",
    "dicom.dead": "dicom.dead.{what}.{name}...",
    "dicom.commit": "dicom.commit.{inbox}.{calling}.{transaction}",
    "dicom.committed": "dicom.committed.{process}",
    "dicom.load": "dicom.load.{service}.{process}",
    "dicom.audit": "dicom.audit.{service}.{event}.{outcome}.{origin}",
}
"""What the subjects of each verb are made of; of dead letters those of `forward` name the study too."""


def verb(subject: str) -> str:
    """Give the part of a subject that may stand in a span's name: `dicom.query`."""
    return ".".join(subject.split(".", maxsplit=2)[:2])
