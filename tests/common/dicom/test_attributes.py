import pytest
from pydicom.datadict import keyword_dict

from isthmus.common.dicom.attributes import (
    keyword_of,
    looks_like_attribute,
    parse_path,
    tag_of,
    tags_of,
    vr_of,
)
from isthmus.common.errors import InvalidParameter


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NoSuchKeyword",
        "patientname",
        "0010001",
        "001000100",
        "0010,0010",
        "0010001G",
        "７0080060",
        "OverlayRows",  # the keyword of a repeating group does not say which of them
        "00080000",  # a group length
        "00000100",  # a command
        "00020010",  # file meta information
        "FFFEE000",  # an item
        "FFFCFFFC",  # padding
        "0008FFFE",
    ],
)
def test_what_is_no_attribute_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="no attribute"):
        parse_path(text, "includefield")


@pytest.mark.parametrize("text", ["00090001", "00090100", "FFFF0010", "00071010"])
def test_an_odd_group_has_only_creators_and_what_they_reserve(text: str) -> None:
    """PS3.5 7.8.1."""
    with pytest.raises(InvalidParameter):
        parse_path(text, "includefield")


@pytest.mark.parametrize("text", [".", "00400275.", ".00400275", "00400275..Modality"])
def test_a_path_with_an_empty_part_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_path(text, "includefield")


@pytest.mark.parametrize("text", ["PatientName.PatientID", "00091001.PatientID"])
def test_only_a_sequence_has_attributes_below_it(text: str) -> None:
    with pytest.raises(InvalidParameter, match="no sequence"):
        parse_path(text, "includefield")


def test_a_path_deeper_than_any_module_is_refused() -> None:
    """Encoding it would need as many levels of recursion."""
    with pytest.raises(InvalidParameter, match="16 attributes at most"):
        parse_path("00400275." * 16 + "Modality", "includefield")


def test_a_refusal_names_the_parameter_and_does_not_repeat_what_could_be_markup() -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_path("<b>", "includefield")

    assert caught.value.detail == "includefield: this is no attribute"
    assert str(caught.value) == "includefield: this is no attribute"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("PatientName", ("00100010",)),
        ("00100010", ("00100010",)),
        ("0020000d", ("0020000D",)),
        ("dBdt", ("00181318",)),  # the one keyword that begins with a small letter
        ("60020010", ("60020010",)),
        ("00090010", ("00090010",)),
        ("00091001", ("00091001",)),
        ("RequestAttributesSequence.ScheduledProcedureStepID", ("00400275", "00400009")),
        ("00400275.RequestedProcedureID", ("00400275", "00401001")),
        ("00400275.00321064.CodeValue", ("00400275", "00321064", "00080100")),
    ],
)
def test_keywords_tags_and_paths_of_both_are_read(text: str, path: tuple[str, ...]) -> None:
    assert parse_path(text, "x") == path


@pytest.mark.parametrize("text", ["Deadbeef", "DEADBEEF", "deadbeef"])
def test_eight_hexadecimal_digits_are_a_tag_even_if_they_look_like_a_word(text: str) -> None:
    assert parse_path(text, "x") == ("DEADBEEF",)


def test_no_keyword_has_the_form_of_a_tag() -> None:
    digits = set("0123456789abcdefABCDEF")

    assert not [keyword for keyword in keyword_dict if len(keyword) == 8 and set(keyword) <= digits]


def test_every_keyword_of_the_dictionary_looks_like_an_attribute() -> None:
    assert not [keyword for keyword in keyword_dict if keyword and not looks_like_attribute(keyword)]


@pytest.mark.parametrize("name", ["NoSuchKeyword", "00100010.x", "ffffffff", "Modality", "00400275.Modality"])
def test_a_name_may_be_meant_as_an_attribute_without_being_one(name: str) -> None:
    assert looks_like_attribute(name)


@pytest.mark.parametrize(
    "name", ["", ".", "limit", "includefield", "_dc", "charset", "0010", "x.PatientName"]
)
def test_other_parameters_do_not_look_like_attributes(name: str) -> None:
    assert not looks_like_attribute(name)


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        ("00100010", "PN"),
        ("00280106", "US"),  # US or SS
        ("7FE00010", "OB"),  # OB or OW
        ("60020010", "US"),
        ("00090010", "LO"),  # a private creator
        ("00091001", "UN"),
    ],
)
def test_the_vr_of_a_tag_is_the_first_that_the_dictionary_has(tag: str, vr: str) -> None:
    assert vr_of(tag) == vr


def test_keywords_and_tags_translate_into_each_other() -> None:
    assert tags_of(("StudyDate", "StudyInstanceUID")) == ("00080020", "0020000D")
    assert keyword_of("0020000D") == "StudyInstanceUID"
    assert keyword_of("00091001") == ""


@pytest.mark.parametrize("keyword", ["NoSuchKeyword", ""])
def test_a_keyword_that_must_exist_and_does_not_is_an_error(keyword: str) -> None:
    with pytest.raises(KeyError):
        tag_of(keyword)
