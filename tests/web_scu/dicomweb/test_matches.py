"""What is taken of matches that are not quite DICOM JSON."""

import math

import pytest

from isthmus.common.dicom.json_model import DicomJson, JsonElement
from isthmus.common.messages import Matches, decode, encode
from isthmus.web_scu.dicomweb.matches import cleaned


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"vr": "LO", "Value": ["7"]}, {"vr": "LO", "Value": ["7"]}),
        ({"vr": "LO", "Value": []}, {"vr": "LO"}),
        ({"vr": "LO", "Value": [""]}, {"vr": "LO"}),
        ({"vr": "LO", "Value": [None]}, {"vr": "LO"}),
        ({"vr": "LO"}, {"vr": "LO"}),
        ({"vr": "??", "Value": ["7"]}, {"vr": "LO", "Value": ["7"]}),
        ({"vr": "LO", "Value": [7]}, {"vr": "LO", "Value": ["7"]}),
        ({"vr": "LO", "Value": [True]}, None),
        ({"vr": "LO", "Value": [{"a": 1}]}, None),
        ({"vr": "LO", "Value": [{}, "8"]}, {"vr": "LO", "Value": [None, "8"]}),
        ({"vr": "LO", "BulkDataURI": "http://inside.example.org/1"}, None),
        ({"vr": "OB", "InlineBinary": "AAAA"}, {"vr": "OB", "InlineBinary": "AAAA"}),
        ({"vr": "IS", "Value": ["007"]}, {"vr": "IS", "Value": ["007"]}),
        ({"vr": "IS", "Value": [7]}, {"vr": "IS", "Value": [7]}),
        ({"vr": "FD", "Value": [math.nan]}, None),
        ({"vr": "UV", "Value": [2**70]}, {"vr": "UV", "Value": [str(2**70)]}),
        (
            {"vr": "PN", "Value": ["A^B=C"]},
            {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Ideographic": "C"}]},
        ),
        (
            {"vr": "PN", "Value": [{"Alphabetic": "A", "Other": "x"}]},
            {"vr": "PN", "Value": [{"Alphabetic": "A"}]},
        ),
        ({"vr": "PN", "Value": [{}]}, {"vr": "PN"}),
    ],
)
def test_an_element_is_read_as_far_as_it_is_one(given: JsonElement, taken: JsonElement | None) -> None:
    assert cleaned({"00100020": given}) == ({} if taken is None else {"00100020": taken})


def test_items_are_read_alike_and_not_for_ever() -> None:
    item: DicomJson = {"00400009": {"vr": "SH", "Value": [7]}}
    read = cleaned({"00400275": {"vr": "SQ", "Value": [item, "text"]}})
    assert read == {"00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["7"]}}]}}
    for _ in range(300):
        item = {"00400275": {"vr": "SQ", "Value": [item]}}
    matches = Matches((cleaned(item),))
    assert decode(encode(matches), Matches) == matches
