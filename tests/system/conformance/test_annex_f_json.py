"""The DICOM JSON Model (PS3.18 Annex F), of metadata; what is expected is what pydicom makes of the files."""

import json
import math
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.peers import Orthanc
from tests.system.conformance.answers import DICOM_JSON, Match, matches, tag
from tests.system.conformance.archive import Archive
from tests.system.conformance.samples import Sample, got, sample
from tests.wado.objects import ground, written

UTF_8: Final = "ISO_IR 192"
PADDING: Final = "FFFCFFFC"
"""Both PACS leave out Data Set Trailing Padding."""
CHARACTER_SETS: Final = (
    *("chrArab", "chrFren", "chrFrenMulti", "chrGerm", "chrGreek", "chrH31", "chrH32", "chrHbrw", "chrI2"),
    *("chrJapMulti", "chrJapMultiExplicitIR6", "chrKoreanMulti", "chrRuss", "chrX1", "chrX2"),
)
FILES: Final = (
    *CHARACTER_SETS,
    *("CT_small", "MR_small_implicit", "MR_small_bigendian", "image_dfl", "rtdose", "17106", "4467"),
    *("examples_palette", "examples_overlay", "liver_1frame", "waveform_ecg", "rtplan", "rtstruct"),
    *("test-SR", "reportsi_with_empty_number_tags"),
)
"""Of each kind of object, encoding and character set; none is compressed, so that dcmqrscp has it too."""
BINARY: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
NUMBERS: Final = frozenset(("FL", "FD", "SL", "SS", "UL", "US"))
NUMBERS_OR_TEXTS: Final = frozenset(("IS", "DS", "SV", "UV"))
BULK_VRS: Final = BINARY | NUMBERS | NUMBERS_OR_TEXTS | frozenset(("LT", "ST", "UC", "UT"))
"""Those whose value may be replaced by a URI (PS3.18 10.4.3.3.2)."""


Metadata = Callable[[Archive, str], Match]


@pytest.fixture(scope="module")
def metadata(http: httpx2.Client, corpus: list[Path]) -> Metadata:
    """The metadata of a file at an origin, asked for once."""

    @cache
    def asked(url: str) -> Match:
        (found,) = matches(http.get(url))
        return found

    return lambda archive, name: asked(f"{archive.root}{sample(corpus, name).instance}/metadata")


def attributes(match: Match, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All attributes, those of items too, with their paths."""
    for key, attribute in match.items():
        yield path + key, attribute
        if attribute["vr"] == "SQ":
            for number, item in enumerate(attribute.get("Value", [])):
                yield from attributes(item, f"{path}{key}/{number}/")


def items(match: Match) -> Iterator[Match]:
    """A data set, and the items within it."""
    yield match
    for attribute in match.values():
        if attribute["vr"] == "SQ":
            for item in attribute.get("Value", []):
                yield from items(item)


@pytest.mark.parametrize("name", FILES)
def test_f_2_metadata_are_what_pydicom_makes_of_the_file(
    metadata: Metadata, origin: Archive, corpus: list[Path], name: str
) -> None:
    """Each attribute with its VR and its values, to the last item."""
    image = sample(corpus, name)
    expected = json.loads(json.dumps(image.read().to_json_dict()))
    check_same(metadata(origin, name), expected, image.read())


def check_same(found: Match, expected: Match, ds: Dataset) -> None:
    keys = {key for key in expected if not key.endswith("0000") and key != PADDING}
    assert {*found} == keys
    for key in keys:
        one, other = found[key], expected[key]
        assert one["vr"] == other["vr"], key
        if key == "00080005":
            assert one["Value"] == [UTF_8]
        elif one["vr"] == "SQ":
            assert len(one.get("Value", [])) == len(other.get("Value", []))
            for item, theirs, held in zip(
                one.get("Value", []), other.get("Value", []), ds[int(key, 16)].value, strict=True
            ):
                check_same(item, theirs, held)
        elif "BulkDataURI" not in one:
            assert one == {**other, **({"Value": without_empty(other["Value"])} if "Value" in other else {})}


def without_empty(values: list[Any]) -> list[Any]:
    """Empty values as the model has them (F.2.5); pydicom writes some as texts."""
    return [None if value == "" else value for value in values]


@pytest.mark.parametrize("name", FILES)
def test_f_2_2_attributes_are_tags_in_ascending_order_with_at_most_one_kind_of_value(
    metadata: Metadata, origin: Archive, name: str
) -> None:
    """8 upper-case hexadecimal digits; `vr` and at most one of Value, BulkDataURI and InlineBinary beside it.

    No group lengths, and nothing of the File Meta Information.
    """
    found = metadata(origin, name)
    for ds in items(found):
        assert [*ds] == sorted(ds)
        for key in ds:
            assert len(key) == 8
            assert key == f"{int(key, 16):08X}"
            assert not key.endswith("0000")
            assert not key.startswith("0002")
    for path, attribute in attributes(found):
        assert len(attribute["vr"]) == 2, path
        assert {*attribute} - {"vr"} in ({*()}, {"Value"}, {"BulkDataURI"}, {"InlineBinary"}), path


@pytest.mark.parametrize("name", FILES)
def test_f_2_3_values_have_the_types_of_their_vr(metadata: Metadata, origin: Archive, name: str) -> None:
    """Table F.2.3-1; and a URI only in place of those that may have one."""
    for path, attribute in attributes(metadata(origin, name)):
        vr, values = attribute["vr"], attribute.get("Value")
        assert "BulkDataURI" not in attribute or vr in BULK_VRS, path
        assert "InlineBinary" not in attribute or vr in BINARY, path
        assert values is None or vr not in BINARY, path
        assert values != [], path
        for value in values or []:
            if vr == "PN":
                assert value is None or {*value} <= {"Alphabetic", "Ideographic", "Phonetic"}, path
            elif vr == "SQ":
                assert isinstance(value, dict), path
            elif vr in NUMBERS | NUMBERS_OR_TEXTS:
                assert value is None or isinstance(value, int | float), path
            else:
                assert value is None or isinstance(value, str), path


@pytest.mark.parametrize("name", CHARACTER_SETS)
def test_f_2_json_is_utf_8_whatever_the_object_is_in(
    http: httpx2.Client, origin: Archive, corpus: list[Path], name: str
) -> None:
    """Names by their component groups, as pydicom decodes them; and Specific Character Set says so."""
    image = sample(corpus, name)
    response = got(http, f"{origin.root}{image.instance}/metadata", DICOM_JSON)
    (found,) = json.loads(response.content.decode("utf-8"))
    name_of = image.read().PatientName
    groups = {
        "Alphabetic": name_of.alphabetic,
        "Ideographic": name_of.ideographic,
        "Phonetic": name_of.phonetic,
    }
    assert found[tag("PatientName")] == {
        "vr": "PN",
        "Value": [{key: text for key, text in groups.items() if text}],
    }
    assert found[tag("SpecificCharacterSet")] == {"vr": "CS", "Value": [UTF_8]}


@pytest.fixture(scope="module")
def every_vr(tmp_path_factory: pytest.TempPathFactory, _writable_orthanc: Orthanc) -> Sample:
    """An object with what the corpus has not: every VR, empty values, and what JSON has no form for."""
    ds = ground("1.2.826.15", "1.2.826.15.1", "1.2.840.10008.5.1.4.1.1.66")
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName = "Müller^Jörg"
    ds.AccessionNumber = ""
    ds.OtherPatientNames = ["Eins^A", "", "Zwei^B"]
    ds.ImageType = ["ORIGINAL", "", "AXIAL"]
    ds.FrameIncrementPointer = [0x00181063, 0x00181065]
    ds.ReferencedStudySequence = Sequence([Dataset(), Dataset()])
    ds.ReferencedStudySequence[0].ReferencedSOPInstanceUID = "1.2.3"
    ds.RequestAttributesSequence = Sequence([])
    ds.SeriesNumber, ds.PixelSpacing = "007", ["0.10", "1e-3"]
    private = ds.private_block(0x0009, "ISTHMUS TESTS", create=True)
    for number, (vr, value) in enumerate(PRIVATE, 1):
        private.add_new(number, vr, value)
    file = tmp_path_factory.mktemp("vrs") / "every_vr.dcm"
    file.write_bytes(written(ds))
    _writable_orthanc.load([file])
    return Sample(file)


PRIVATE: Final[tuple[tuple[str, Any], ...]] = (
    ("FL", [0.5, -2.25]),
    ("FD", [1e300]),
    ("SL", [-(2**31)]),
    ("SS", [-(2**15)]),
    ("UL", [2**32 - 1]),
    ("US", [2**16 - 1]),
    ("SV", [-(2**63)]),
    ("UV", [2**64 - 1]),
    ("OB", b"\0\1\2\3"),
    ("OW", b"\0\1\2\3"),
    ("OL", b"\0\1\2\3"),
    ("OF", b"\0\0\0\0"),
    ("OD", bytes(8)),
    ("OV", bytes(8)),
    ("UN", b"\xfc\xe4\0\0"),
    ("FD", [math.nan, 1.0]),
    ("FL", [math.inf]),
)
"""The private elements of that object, numbered from 1."""


@pytest.fixture
def described(http: httpx2.Client, every_vr: Sample) -> Match:
    """Its metadata."""
    (found,) = matches(http.get(f"/aets/empty{every_vr.instance}/metadata"))
    return found


def private(described: Match, number: int) -> Mapping[str, Any]:
    attribute: Mapping[str, Any] = described[f"00091{number:03X}"]
    return attribute


def test_f_2_5_what_is_empty_is_a_vr_and_an_empty_value_among_others_null(described: Match) -> None:
    """And an empty item `{}`."""
    assert described[tag("AccessionNumber")] == {"vr": "SH"}
    assert described[tag("ImageType")] == {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]}
    assert described[tag("OtherPatientNames")] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Eins^A"}, None, {"Alphabetic": "Zwei^B"}],
    }
    assert described[tag("RequestAttributesSequence")] == {"vr": "SQ"}
    assert described[tag("ReferencedStudySequence")] == {
        "vr": "SQ",
        "Value": [{tag("ReferencedSOPInstanceUID"): {"vr": "UI", "Value": ["1.2.3"]}}, {}],
    }


def test_f_2_3_tags_are_texts_of_8_digits(described: Match) -> None:
    assert described[tag("FrameIncrementPointer")] == {"vr": "AT", "Value": ["00181063", "00181065"]}


def test_f_2_3_1_decimals_and_integers_are_numbers_or_texts_of_the_same_value(described: Match) -> None:
    assert int(described[tag("SeriesNumber")]["Value"][0]) == 7
    assert [*map(float, described[tag("PixelSpacing")]["Value"])] == [0.1, 0.001]
    for number in (7, 8):
        vr, values = PRIVATE[number - 1]
        assert private(described, number)["vr"] == vr
        assert [*map(int, private(described, number)["Value"])] == values


@pytest.mark.parametrize("number", range(1, 7), ids=lambda number: PRIVATE[number - 1][0])
def test_f_2_3_binary_numbers_are_numbers(described: Match, number: int) -> None:
    vr, values = PRIVATE[number - 1]
    assert private(described, number) == {"vr": vr, "Value": values}


@pytest.mark.parametrize("number", range(9, 16), ids=lambda number: PRIVATE[number - 1][0])
def test_f_2_7_bytes_are_base64_as_they_are(described: Match, number: int) -> None:
    """In little endian; those of unknown VR are not translated."""
    vr, value = PRIVATE[number - 1]
    assert private(described, number) == {"vr": vr, "InlineBinary": b64encode(value).decode("ascii")}


@pytest.mark.parametrize("number", [16, 17])
def test_f_2_3_what_json_has_no_form_for_is_not_in_it(
    http: httpx2.Client, every_vr: Sample, number: int
) -> None:
    """NaN and infinity: the text is JSON (RFC 8259), and the others are there."""
    text = got(http, f"/aets/empty{every_vr.instance}/metadata", DICOM_JSON).text

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    (found,) = json.loads(text, parse_constant=refuse)
    assert "Value" not in found.get(f"00091{number:03X}", {})
    assert found[tag("PatientName")]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
