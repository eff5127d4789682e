"""Media types in headers, as the grammar has them and as clients write them."""

import pytest

from isthmus.common.dicomweb import MediaType
from isthmus.common.errors import InvalidParameter


@pytest.mark.parametrize(
    "value",
    [
        "",
        "dicom",
        "/",
        "application/",
        "application dicom",
        'a/b; type="open',
        "a/b; =1",
        "a/b; x",
        "a/b c/d",
    ],
)
def test_what_is_no_media_type_is_refused_by_the_name_of_its_header(value: str) -> None:
    with pytest.raises(InvalidParameter, match="Content-Type") as caught:
        MediaType.parse(value)
    assert caught.value.parameter == "Content-Type"


def test_a_header_for_one_media_type_takes_no_list() -> None:
    with pytest.raises(InvalidParameter):
        MediaType.parse("a/b, c/d")


def test_name_and_parameter_names_are_without_case_and_values_keep_theirs() -> None:
    media_type = MediaType.parse('Multipart/Related ; TYPE="Application/DICOM"; Boundary = "a;b, \\"c\\""')
    assert media_type == MediaType(
        "multipart/related", (("type", "Application/DICOM"), ("boundary", 'a;b, "c"'))
    )


def test_an_unquoted_value_may_hold_a_slash() -> None:
    media_type = MediaType.parse("multipart/related;type=application/dicom;boundary=----=_Part_1")
    assert media_type.parameter("type") == "application/dicom"
    assert media_type.parameter("boundary") == "----=_Part_1"


def test_a_parameter_that_is_not_there_is_none() -> None:
    assert MediaType.parse("application/dicom;").parameter("boundary") is None


def test_a_list_may_have_empty_elements() -> None:
    assert [found.name for found in MediaType.parse_list(" , a/b ,, c/d ,")] == ["a/b", "c/d"]
