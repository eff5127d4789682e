"""What a PACS answers to C-FIND, as it came: some of its elements, in bytes that nobody has decoded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final, Self

from pydicom.datadict import tag_for_keyword
from pydicom.uid import UID

from isthmus.common.dicom.element_reader import ElementReader, Encoding

_KEYWORDS: Final = (
    "SpecificCharacterSet",
    "PatientName",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Modality",
    "NumberOfStudyRelatedInstances",
    "NumberOfSeriesRelatedInstances",
)
_BY_TAG: Final = {tag_for_keyword(keyword): keyword for keyword in _KEYWORDS}
_UID: Final = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True)
class Match:
    """A match; nothing of it is shown."""

    values: Mapping[str, bytes]
    """By keyword."""

    @classmethod
    def read(cls, data: bytes, syntax: UID) -> Self:
        """Take what is looked at.

        Raises:
            MalformedDataset: it is no data set in this transfer syntax.
        """
        reader = ElementReader(BytesIO(data))
        given = Encoding(implicit=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
        encoding = reader.actual_encoding(given, may_be_explicit=True)
        values: dict[str, bytes] = {}
        for header in reader.elements(None, encoding, outermost=True):
            keyword = _BY_TAG.get(header.tag)
            if keyword is not None and header.end is not None:
                values[keyword] = reader.read(header.length)
        return cls(values)

    def text(self, keyword: str) -> str:
        """Give a value that is ASCII; empty where there is none, or another."""
        try:
            return self.values.get(keyword, b"").decode("ascii").strip(" \0")
        except UnicodeDecodeError:
            return ""

    def uid(self, keyword: str) -> str:
        """Give a UID; empty where there is none that could be asked for."""
        text = self.text(keyword)
        return text if _UID.fullmatch(text) else ""
