"""The data sets of requests, of which nothing is certain."""

import struct
from io import BytesIO

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from isthmus.scp.normalized import Refused, items_of, read_data_set, text_of, uid_of

MISSING, EMPTY, INVALID = 0x0120, 0x0121, 0x0106


def test_a_sequence_in_the_place_of_a_text_has_no_text() -> None:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 8) + b"\x00\x53\x54\x55DY\0\0"  # of a VR that nobody knows
    sequence = struct.pack("<HH2sxxL", 0x0020, 0x000D, b"SQ", len(item)) + item
    data = read_data_set(BytesIO(sequence), ExplicitVRLittleEndian, INVALID)
    with pytest.raises(Refused) as refused:
        text_of(data, "StudyInstanceUID", missing=MISSING, empty=EMPTY)
    assert refused.value.status == EMPTY
    with pytest.raises(Refused) as refused:
        uid_of(data, "StudyInstanceUID", missing=MISSING, empty=EMPTY, invalid=INVALID)
    assert refused.value.status == EMPTY
    assert len(items_of(data, "StudyInstanceUID")) == 1
