"""What a C-MOVE or C-GET may ask for (PS3.4 C.4.2.1.4.1, C.6.1.1, C.6.2.1)."""

import struct

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from isthmus.common.dimse.identifiers import encode_identifier
from isthmus.common.messages import Retrieve
from isthmus.scp.models import Model
from isthmus.scp.normalized import Refused
from isthmus.scp.retrieving.identifier import EACH_BY_ITSELF, Wished, read_wished
from tests.scp.retrieving.client import wish

ORIGIN = "pacs"


def read(
    identifier: Dataset, model: Model = Model.PATIENT_ROOT, syntax: str = ExplicitVRLittleEndian
) -> Wished:
    return read_wished(encode_identifier(identifier, syntax).getvalue(), syntax, model)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_studies(syntax: str) -> None:
    wished = read(wish("STUDY", StudyInstanceUID=["1.2", "1.3", "1.2"]), syntax=syntax)
    assert wished.retrieves(ORIGIN, wished.studies) == [Retrieve(ORIGIN, "1.2"), Retrieve(ORIGIN, "1.3")]


def test_series_of_a_study() -> None:
    wished = read(wish("SERIES", StudyInstanceUID="1.2", SeriesInstanceUID=["1.4", "1.5"]))
    assert wished.retrieves(ORIGIN, wished.studies) == [
        Retrieve(ORIGIN, "1.2", "1.4"),
        Retrieve(ORIGIN, "1.2", "1.5"),
    ]


def test_a_few_instances_are_fetched_by_themselves_and_many_with_their_series() -> None:
    uids = [f"1.6.{number}" for number in range(EACH_BY_ITSELF + 1)]

    def wished(count: int) -> Wished:
        keys = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.4", "SOPInstanceUID": uids[:count]}
        return read(wish("IMAGE", **keys))

    few, many = wished(EACH_BY_ITSELF), wished(EACH_BY_ITSELF + 1)
    assert few.retrieves(ORIGIN, few.studies) == [
        Retrieve(ORIGIN, "1.2", "1.4", uid) for uid in uids[:EACH_BY_ITSELF]
    ]
    assert many.retrieves(ORIGIN, many.studies) == [Retrieve(ORIGIN, "1.2", "1.4")]
    assert many.instances == tuple(uids)


@pytest.mark.parametrize("below", ["1.4", "", "*"])
def test_keys_below_the_level_do_not_count(below: str) -> None:
    wished = read(wish("STUDY", StudyInstanceUID="1.2", SeriesInstanceUID=below, PatientID="77"))
    assert wished == Wished(None, ("1.2",))


def test_a_patient() -> None:
    assert read(wish("PATIENT", PatientID="77 ")) == Wished("77")


@pytest.mark.parametrize(
    ("identifier", "model", "named"),
    [
        (wish("STUDY"), Model.STUDY_ROOT, "StudyInstanceUID"),
        (wish("STUDY", StudyInstanceUID=""), Model.STUDY_ROOT, "StudyInstanceUID"),
        (wish("STUDY", StudyInstanceUID="*"), Model.STUDY_ROOT, "StudyInstanceUID"),
        (wish("SERIES", SeriesInstanceUID="1.4"), Model.STUDY_ROOT, "StudyInstanceUID"),
        (wish("SERIES", StudyInstanceUID="1.2"), Model.STUDY_ROOT, "SeriesInstanceUID"),
        (
            wish("SERIES", StudyInstanceUID=["1.2", "1.3"], SeriesInstanceUID="1.4"),
            Model.STUDY_ROOT,
            "StudyInstanceUID",
        ),
        (wish("IMAGE", StudyInstanceUID="1.2", SOPInstanceUID="1.6"), Model.STUDY_ROOT, "SeriesInstanceUID"),
        (wish("PATIENT", PatientID="77"), Model.STUDY_ROOT, "QueryRetrieveLevel"),
        (wish("SERIES", StudyInstanceUID="1.2"), Model.PATIENT_STUDY_ONLY, "QueryRetrieveLevel"),
        (wish("FRAME", StudyInstanceUID="1.2"), Model.STUDY_ROOT, "QueryRetrieveLevel"),
        (wish("PATIENT"), Model.PATIENT_ROOT, "PatientID"),
        (wish("PATIENT", PatientID="7*"), Model.PATIENT_ROOT, "PatientID"),
        (wish("PATIENT", PatientID=["7", "8"]), Model.PATIENT_ROOT, "PatientID"),
    ],
)
def test_what_cannot_be_asked_for_is_named(identifier: Dataset, model: Model, named: str) -> None:
    with pytest.raises(Refused) as refused:
        read(identifier, model)
    assert refused.value.status == 0xA900
    assert refused.value.comment.startswith(named)


@pytest.mark.parametrize("data", [b"", b"\x08\x00R\x00CS\xff", b"no data set at all"])
def test_what_is_no_identifier(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_wished(data, ExplicitVRLittleEndian, Model.STUDY_ROOT)
    assert refused.value.status == 0xA900


def test_no_value_comes_back_in_what_is_said() -> None:
    with pytest.raises(Refused) as refused:
        read(wish("PATIENT", PatientID="SECRET*"))
    assert "SECRET" not in refused.value.comment


@pytest.mark.parametrize("tag", [0x00080052, 0x0020000D])
def test_a_key_that_is_a_sequence_of_what_cannot_be_read_is_refused(tag: int) -> None:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 8) + b"\x00\x53\x54\x55DY\0\0"  # of a VR that nobody knows
    sequence = struct.pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, b"SQ", len(item)) + item
    level = b"" if tag == 0x00080052 else b"\x08\0\x52\0CS\x06\0STUDY "
    with pytest.raises(Refused):
        read_wished(level + sequence, ExplicitVRLittleEndian, Model.STUDY_ROOT)
