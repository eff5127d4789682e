"""Read from the beginning of an instance whose it is, and nothing that lies behind that."""

from typing import Final

from isthmus.common.dicom.character_sets import CharacterSet
from isthmus.common.dicom.part10.elements import Buffer, CutShort, element_at, end_of
from isthmus.common.dicom.part10.identify import DEFLATED, encoding_of, from_beginning, inflate
from isthmus.common.errors import MalformedDataset

SPECIFIC_CHARACTER_SET: Final = 0x00080005
PATIENT_ID: Final = 0x00100020
_LIMIT: Final = 1024 * 1024
"""Of what is inflated to find it."""


def patient_id(dataset: Buffer, transfer_syntax_uid: str) -> str:
    """Give the Patient ID (0010,0020) of a data set; empty where there is none, or no data set at all.

    Args:
        dataset: its beginning, without File Meta Information; it may be cut off anywhere.
        transfer_syntax_uid: in which it is encoded.
    """
    try:
        if transfer_syntax_uid in DEFLATED:
            return from_beginning(inflate(dataset), lambda data: _find(data, transfer_syntax_uid), _LIMIT)
        return _find(dataset, transfer_syntax_uid)
    except MalformedDataset:
        return ""


def _find(data: Buffer, transfer_syntax_uid: str) -> str:
    encoding, offset, character_set = encoding_of(data, transfer_syntax_uid), 0, CharacterSet()
    while offset < len(data):
        element = element_at(data, offset, encoding)
        if element.tag > PATIENT_ID:
            break
        offset = end_of(data, element)
        if element.tag not in (SPECIFIC_CHARACTER_SET, PATIENT_ID):
            continue
        if offset > len(data):
            raise CutShort("The data set ends before its Patient ID (0010,0020)")
        value = bytes(data[element.value_offset : offset])
        if element.tag == PATIENT_ID:
            return character_set.decode(value).strip("\0 ")
        character_set = CharacterSet.of(value.decode("latin-1"))
    return ""
