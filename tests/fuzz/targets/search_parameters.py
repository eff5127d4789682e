"""The query string of a search (PS3.18 8.3.4), and what its keys are compared with."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote_from_bytes

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Matcher
from isthmus.common.errors import InvalidParameter
from isthmus.common.messages import Query, decode, encode
from isthmus.qido.parameters import parse_parameters
from tests.fuzz.refusals import refusing

WORDS: Final = (
    *(b"PatientName=", b"StudyDate=", b"ModalitiesInStudy=", b"includefield=", b"limit=", b"offset="),
    *(b"fuzzymatching=true", b"emptyvaluematching=true", b"multiplevaluematching=true", b'""', b"%5C"),
    *(b"00400275.00400009=", b"RequestAttributesSequence.", b"PatientAge=", b"AcquisitionDateTime=", b"-"),
    *(b"20200101-20210101", b"1.2.3,1.2.4", b"%00", b"%F0%9F%98%80", b"*", b"?", b"&", b"StudyInstanceUID="),
)
_MATCH: Final[DicomJson] = {
    "00080020": {"vr": "DA", "Value": ["20200101"]},
    "00080030": {"vr": "TM", "Value": ["101112.5"]},
    "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^John", "Ideographic": "山田^太郎"}]},
    "00100030": {"vr": "DA", "Value": ["19800229"]},
    "00101010": {"vr": "AS", "Value": ["040Y"]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "0008002A": {"vr": "DT", "Value": ["20200101101112+0100"]},
    "00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["A"]}}]},
}


def target(data: bytes) -> None:
    """Read it as it comes and percent-encoded, for each level, and compare something with what is wanted."""
    level = list(Level)[len(data) % 3]
    for query in (data, quote_from_bytes(data, safe="=&").encode()):
        with refusing(InvalidParameter):
            wanted = parse_parameters(query, level)
            Matcher(wanted.keys, fuzzy=wanted.fuzzy).matches(_MATCH)
            asked = Query("pacs", level, wanted.keys, wanted.include, wanted.fuzzy)
            assert decode(encode(asked), Query) == asked


def seeds() -> Iterable[bytes]:
    """What clients ask for."""
    yield b"PatientName=Do*%5EJ?hn&StudyDate=20200101-20210101&limit=10&offset=5"
    yield b"ModalitiesInStudy=CT,MR&includefield=00081030%2C00080060&includefield=all&fuzzymatching=true"
    yield b"StudyInstanceUID=1.2.3,1.2.4&StudyInstanceUID=1.2.5&_dc=1"
    yield b"RequestAttributesSequence.ScheduledProcedureStepID=A&PatientAge=040Y-050Y"
    yield b'emptyvaluematching=true&AccessionNumber=""&StudyTime=10-1130&00080005='
    yield b"multiplevaluematching=true&ModalitiesInStudy=CT%5CMR"
    yield b"AcquisitionDateTime=20200101101112.123456%2B0100-&PatientBirthDate=-1980"
    yield "PatientName=山田^太郎=やまだ^たろう".encode()
