import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from isthmus.common.dicom.json_model import DicomJson, metadata_of
from isthmus.common.dicom.xml_model import native_model, parse_native_model
from isthmus.common.errors import MalformedDataset
from tests.data_sets import pydicom_files

SPACE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def document(*attributes: str) -> bytes:
    return f"<NativeDicomModel>{''.join(attributes)}</NativeDicomModel>".encode()


def attribute(tag: str, vr: str, content: str = "", more: str = "") -> str:
    return f'<DicomAttribute tag="{tag}" vr="{vr}" {more}>{content}</DicomAttribute>'


def only(attributes: DicomJson) -> ElementTree.Element:
    (found,) = ElementTree.fromstring(native_model(attributes))
    return found


def test_an_element_has_its_tag_vr_keyword_and_numbered_values() -> None:
    found = only({"00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]}})
    assert found.tag == f"{SPACE}DicomAttribute"
    assert found.attrib == {"tag": "00080008", "vr": "CS", "keyword": "ImageType"}
    assert [(value.tag, value.get("number"), value.text) for value in found] == [
        (f"{SPACE}Value", "1", "ORIGINAL"),
        (f"{SPACE}Value", "2", None),
        (f"{SPACE}Value", "3", "AXIAL"),
    ]


def test_white_space_is_to_be_preserved() -> None:
    assert b' xml:space="preserve">' in native_model({})


def test_an_empty_element_has_no_content() -> None:
    assert list(only({"00100020": {"vr": "LO"}})) == []


def test_a_person_name_has_its_groups_and_components() -> None:
    name = {"Alphabetic": "Yamada^Tarou^^Dr", "Ideographic": "山田^太郎"}
    (found,) = only({"00100010": {"vr": "PN", "Value": [name]}})
    assert {group.tag.removeprefix(SPACE): [part.text for part in group] for group in found} == {
        "Alphabetic": ["Yamada", "Tarou", "Dr"],
        "Ideographic": ["山田", "太郎"],
    }
    assert found[0][2].tag == f"{SPACE}NamePrefix"


def test_bulk_data_are_referred_to_and_binary_values_inline() -> None:
    (bulk,) = only({"7FE00010": {"vr": "OW", "BulkDataURI": "http://here/a?b&c"}})
    assert bulk.get("uri") == "http://here/a?b&c"
    (inline,) = only({"00420011": {"vr": "OB", "InlineBinary": "AAE="}})
    assert inline.text == "AAE="


def test_a_private_element_names_its_creator_in_place_of_its_block() -> None:
    written: DicomJson = {
        "00090011": {"vr": "LO", "Value": ["A <creator>"]},
        "00091102": {"vr": "SH", "Value": ["x"]},
        "00091203": {"vr": "SH", "Value": ["of nobody"]},
    }
    found = ElementTree.fromstring(native_model(written))
    assert [one.get("tag") for one in found] == ["00090011", "00090002", "00091203"]
    assert [one.get("privateCreator") for one in found] == [None, "A <creator>", None]


def test_elements_of_two_blocks_of_one_creator_stay_apart() -> None:
    written: DicomJson = {
        "00090010": {"vr": "LO", "Value": ["ME"]},
        "00090011": {"vr": "LO", "Value": ["ME"]},
        "00091001": {"vr": "SH", "Value": ["a"]},
        "00091101": {"vr": "SH", "Value": ["b"]},
    }
    assert parse_native_model(native_model(written)) == written


@pytest.mark.parametrize("character", ["\x00", "\x0c", "\x1b", "\x85\ufffe", "\ud800"])
def test_what_xml_has_no_character_for_does_not_break_the_document(character: str) -> None:
    (value,) = only({"00081030": {"vr": "LO", "Value": [f"a{character}b"]}})
    assert value.text is not None
    assert re.fullmatch("a\x85?\ufffdb", value.text)


@pytest.mark.parametrize("text", [" a ", "<&>\"'", "one\r\ntwo\ttabs\n", "]]>", "ä€😀"])
def test_texts_come_back_as_they_were(text: str) -> None:
    written: DicomJson = {"0040A160": {"vr": "UT", "Value": [text]}}
    assert parse_native_model(native_model(written)) == written


def as_read(attributes: DicomJson) -> DicomJson:
    """What comes back: DS and IS as texts, names without empty components at their ends."""
    read: DicomJson = {}
    for tag, element in attributes.items():
        values = element.get("Value", [])
        if element["vr"] == "SQ" and values:
            read[tag] = {"vr": "SQ", "Value": [as_read(item) for item in values]}  # type: ignore[arg-type]  # by its VR
        elif element["vr"] == "PN" and values:
            read[tag] = {"vr": "PN", "Value": [name and trimmed(name) for name in values]}  # type: ignore[arg-type]  # by its VR
        else:
            read[tag] = element
    return read


def trimmed(name: dict[str, str]) -> dict[str, str] | None:
    return {group: text.rstrip("^") for group, text in name.items() if text.rstrip("^")} or None


def numbers_as_numbers(attributes: DicomJson) -> DicomJson:
    for element in attributes.values():
        for place, value in enumerate(element.get("Value", [])):
            if element["vr"] in ("DS", "IS") and isinstance(value, str):
                element["Value"][place] = pytest.approx(float(value), rel=1e-9)  # type: ignore[call-overload]  # by its VR
            elif element["vr"] == "SQ":
                numbers_as_numbers(value)  # type: ignore[arg-type]  # by its VR
    return attributes


@pytest.mark.parametrize("file", pydicom_files(), ids=lambda file: file.name)
def test_real_data_sets_come_back_as_they_were(file: Path) -> None:
    with file.open("rb") as source:
        described, _ = metadata_of(source, "http://here/bulkdata")
    text = native_model(described)
    assert numbers_as_numbers(parse_native_model(text)) == as_read(described)


def test_a_document_of_dcmtk_is_read(tmp_path: Path) -> None:
    program = shutil.which("dcm2xml")
    assert program is not None
    (file,) = (file for file in pydicom_files() if file.name == "CT_small.dcm")
    subprocess.run([program, "-nat", "+Xn", str(file), str(tmp_path / "it.xml")], check=True)
    with file.open("rb") as source:
        described, _ = metadata_of(source, "http://here")
    read = numbers_as_numbers(parse_native_model((tmp_path / "it.xml").read_bytes()))
    for tag in ("00080008", "00100010", "00280010", "00091027", "00200032", "0020000D"):
        assert read[tag] == described[tag]


def test_numbers_are_numbers_and_decimal_strings_stay_texts() -> None:
    read = parse_native_model(
        document(
            attribute("00280010", "US", '<Value number="1">512</Value>'),
            attribute("00280030", "DS", '<Value number="1">0.50</Value><Value number="2">1</Value>'),
            attribute("00189073", "FD", '<Value number="1">1.5</Value>'),
        )
    )
    assert read["00280010"] == {"vr": "US", "Value": [512]}
    assert read["00280030"] == {"vr": "DS", "Value": ["0.50", "1"]}
    assert read["00189073"] == {"vr": "FD", "Value": [1.5]}


def test_values_come_in_the_order_of_their_numbers() -> None:
    content = '<Value number="3">c</Value><Value number="1">a</Value>'
    read = parse_native_model(document(attribute("00080008", "CS", content)))
    assert read["00080008"] == {"vr": "CS", "Value": ["a", None, "c"]}


def test_bulk_data_by_uuid_are_referred_to() -> None:
    read = parse_native_model(document(attribute("7FE00010", "OW", '<BulkData uuid="1-2"/>')))
    assert read["7FE00010"] == {"vr": "OW", "BulkDataURI": "urn:uuid:1-2"}


def test_a_private_creator_without_an_element_gets_one() -> None:
    read = parse_native_model(
        document(
            attribute("00090010", "LO", '<Value number="1">OTHER</Value>'),
            attribute("00090001", "SH", '<Value number="1">x</Value>', 'privateCreator="ME"'),
        )
    )
    assert read == {
        "00090010": {"vr": "LO", "Value": ["OTHER"]},
        "00090011": {"vr": "LO", "Value": ["ME"]},
        "00091101": {"vr": "SH", "Value": ["x"]},
    }


def test_group_lengths_are_left_out() -> None:
    content = '<Value number="1">8</Value>'
    assert parse_native_model(document(attribute("00080000", "UL", content))) == {}


SECRET = "Doe^Jane"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "XML"),
        (b"<NativeDicomModel>", "XML"),
        (b"\xff\xfe\x00", "XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><NativeDicomModel/>', "XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><NativeDicomModel>&b;</NativeDicomModel>', "XML"),
        (b"<html/>", "NativeDicomModel"),
        (document('<DicomAttribute vr="LO"/>'), "tag"),
        (document(attribute("0010001", "LO")), "tag"),
        (document(attribute("00100010", "XX")), "00100010"),
        (document(attribute("00280010", "US", f"<Value>{SECRET}</Value>")), "00280010"),
        (document(attribute("00280010", "US", "<Value>1.5</Value>")), "00280010"),
        (document(attribute("00281053", "DS", f"<Value>{SECRET}</Value>")), "00281053"),
        (document(attribute("00189073", "FD", "<Value>NaN</Value>")), "00189073"),
        (document(attribute("00081167", "AT", f"<Value>{SECRET}</Value>")), "00081167"),
        (document(attribute("00420011", "OB", f"<InlineBinary>{SECRET}</InlineBinary>")), "00420011"),
        (document(attribute("00420011", "OB", f"<Value>{SECRET}</Value>")), "00420011"),
        (document(attribute("00420011", "OB", "<BulkData/>")), "00420011"),
        (document(attribute("00080008", "CS", '<Value number="0">A</Value>')), "00080008"),
        (document(attribute("00080008", "CS", '<Value number="999999999">A</Value>')), "00080008"),
        (document(attribute("00080008", "CS") * 2), "00080008"),
        (
            document(
                '<DicomAttribute tag="00081140" vr="SQ"><Item>' * 100 + "</Item></DicomAttribute>" * 100
            ),
            "deep",
        ),
    ],
)
def test_what_is_wrong_is_named_without_its_value(data: bytes, says: str) -> None:
    with pytest.raises(MalformedDataset) as raised:
        parse_native_model(data)
    assert says in raised.value.detail
    assert SECRET not in raised.value.detail
