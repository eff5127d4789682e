import pytest

from isthmus.common.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, check_uid
from isthmus.common.errors import InvalidParameter


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "1.2 ",
        "1.2\n",
        "1.2/3",
        "1.2\\1.3",
        "1.2*",
        "1.2%2F",
        "1.２",
        "1." + "2" * 127,
    ],
)
def test_what_is_no_uid_is_refused_by_the_name_of_the_parameter(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_uid(text, "StudyInstanceUID")

    assert caught.value.parameter == "StudyInstanceUID"


def test_a_refusal_does_not_quote_the_value() -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_uid("Doe^Jane", "StudyInstanceUID")

    assert "Doe" not in caught.value.detail


@pytest.mark.parametrize(
    "text",
    [
        "1.2.840.10008.1.1",
        "0",
        "01.002.3",  # leading zeros
        "1.2.826..1",
        "...",
        "study-1_A",
        "1." + "2" * 126,
    ],
)
def test_the_uids_that_real_pacs_hold_are_taken(text: str) -> None:
    assert check_uid(text, "study") == text


def test_our_own_name_keeps_to_the_standard() -> None:
    """PS3.5 9.1 and B.2, PS3.7 D.3.3.2.3."""
    root, _, number = IMPLEMENTATION_CLASS_UID.rpartition(".")

    assert root == "2.25"
    assert 0 < int(number) < 2**128
    assert 1 <= len(IMPLEMENTATION_VERSION_NAME) <= 16
