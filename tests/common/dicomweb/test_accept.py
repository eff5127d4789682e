"""Which representation a client gets (PS3.18 8.7.8)."""

import pytest
from starlette.requests import Request

from isthmus.common.dicomweb import (
    BULKDATA,
    BULKDATA_PARTS,
    DICOM_FILE,
    DICOM_JSON,
    DICOM_PARTS,
    JSON,
    MediaRange,
    Offer,
    accepted_by,
    negotiate,
    parse_accept,
)
from isthmus.common.errors import InvalidParameter, NotAcceptable

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000 = "1.2.840.10008.1.2.4.90"

STUDY = [DICOM_PARTS]
INSTANCE = [DICOM_PARTS, DICOM_FILE]
SEARCH = [DICOM_JSON, JSON]


def chosen(accept: str | None, offers: list[Offer], query: str | None = None) -> str:
    return negotiate(parse_accept(accept, query), offers).offer.media_type


@pytest.mark.parametrize(
    "accept", ["dicom", "application/dicom;q=2", "a/b;q=", "a/b;q=x", "a/b;q=0.1234", 'a/b;c="', "a/b c/d"]
)
def test_a_malformed_header_names_accept(accept: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_accept(accept)
    assert caught.value.parameter == "Accept"


@pytest.mark.parametrize(
    ("accept", "offers"),
    [
        ("text/html", STUDY),
        ("application/dicom", STUDY),  # a single part cannot hold several instances
        ('multipart/related; type="application/dicom+xml"', STUDY),
        ("multipart/related; type=application/dicom;q=0", STUDY),
        ("*/*;q=0", STUDY),
        ("*/*, multipart/related;q=0", STUDY),
        ("application/dicom", SEARCH),
        (f"application/octet-stream; transfer-syntax={JPEG_BASELINE}", [BULKDATA]),
    ],
)
def test_what_cannot_be_met_is_not_acceptable(accept: str, offers: list[Offer]) -> None:
    with pytest.raises(NotAcceptable):
        chosen(accept, offers)


def test_not_acceptable_lists_what_there_is() -> None:
    with pytest.raises(NotAcceptable) as caught:
        chosen("text/html", INSTANCE)
    assert caught.value.available == ('multipart/related; type="application/dicom"', "application/dicom")


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "multipart/*",
        "multipart/related",
        'multipart/related; type="application/dicom"',
        "Multipart/Related;TYPE=application/DICOM",
        'multipart/related; type="application/dicom"; transfer-syntax=*',
        'multipart/related; type="application/dicom"; transfer-syntax="*"',
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",  # java.net.HttpURLConnection
    ],
)
def test_multipart_is_the_default_for_instances(accept: str | None) -> None:
    assert chosen(accept, INSTANCE) == 'multipart/related; type="application/dicom"'


def test_a_single_instance_can_be_one_part() -> None:
    assert chosen("application/dicom", INSTANCE) == "application/dicom"
    assert chosen("application/*", INSTANCE) == "application/dicom"


def test_the_higher_weight_wins() -> None:
    assert chosen("multipart/related;q=0.5, application/dicom", INSTANCE) == "application/dicom"
    assert chosen("application/dicom;q=0.5, multipart/related", INSTANCE).startswith("multipart")


def test_the_more_specific_range_tells_the_weight() -> None:
    assert chosen("*/*, multipart/related;q=0.1", INSTANCE) == "application/dicom"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/json", "application/json"),
        ("application/json, application/dicom+json", "application/dicom+json"),
        ("application/dicom+json; transfer-syntax=*", "application/dicom+json"),
        ("application/dicom+json; charset=utf-8", "application/dicom+json"),
    ],
)
def test_searches_answer_in_json(accept: str | None, expected: str) -> None:
    assert chosen(accept, SEARCH) == expected


def test_bulkdata_is_octets() -> None:
    offers = [BULKDATA_PARTS, BULKDATA]
    assert chosen("*/*", offers) == 'multipart/related; type="application/octet-stream"'
    assert chosen("application/octet-stream", offers) == "application/octet-stream"
    viewer = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    assert chosen(viewer, offers) == 'multipart/related; type="application/octet-stream"'


def test_the_query_parameter_goes_before_the_header() -> None:
    assert chosen("application/dicom+json", SEARCH, "application/json") == "application/json"


def test_the_header_counts_where_the_query_parameter_cannot_be_met() -> None:
    assert chosen("*/*", SEARCH, "text/html") == "application/dicom+json"


def test_without_a_transfer_syntax_objects_go_as_they_are_held() -> None:
    choice = negotiate(parse_accept("application/dicom"), INSTANCE)
    assert choice.transfer_syntaxes == ("*",)
    choice.require(JPEG_2000)


def test_an_explicit_transfer_syntax_is_good_only_for_objects_held_in_it() -> None:
    choice = negotiate(parse_accept(f"multipart/related; transfer-syntax={JPEG_BASELINE}"), STUDY)
    assert choice.takes(JPEG_BASELINE)
    assert not choice.takes(EXPLICIT_LITTLE)
    with pytest.raises(NotAcceptable) as caught:
        choice.require(EXPLICIT_LITTLE)
    assert caught.value.available == (
        f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT_LITTLE}',
    )


def test_transfer_syntaxes_are_listed_by_preference() -> None:
    accept = (
        f"application/dicom;transfer-syntax={JPEG_2000};q=0.2,"
        f"application/dicom;transfer-syntax={JPEG_BASELINE};q=0.9, */*;q=0.1"
    )
    choice = negotiate(parse_accept(accept), [DICOM_FILE])
    assert choice.transfer_syntaxes == (JPEG_BASELINE, JPEG_2000, "*")
    assert choice.takes(EXPLICIT_LITTLE)


def test_a_transfer_syntax_of_weight_zero_is_refused_though_any_other_is_taken() -> None:
    accept = f"multipart/related;transfer-syntax={JPEG_BASELINE};q=0, multipart/related;transfer-syntax=*"
    choice = negotiate(parse_accept(accept), STUDY)
    assert not choice.takes(JPEG_BASELINE)
    assert choice.takes(JPEG_2000)


def test_a_known_transfer_syntax_can_change_the_media_type() -> None:
    ranges = parse_accept(f"application/dicom; transfer-syntax={JPEG_BASELINE}, multipart/related;q=0.5")
    assert negotiate(ranges, INSTANCE).offer == DICOM_FILE
    assert negotiate(ranges, INSTANCE, held=EXPLICIT_LITTLE).offer == DICOM_PARTS


def test_not_acceptable_names_the_transfer_syntax_that_is_held() -> None:
    ranges = parse_accept(f"application/dicom; transfer-syntax={JPEG_BASELINE}")
    with pytest.raises(NotAcceptable) as caught:
        negotiate(ranges, [DICOM_FILE], held=EXPLICIT_LITTLE)
    assert caught.value.available == (f"application/dicom; transfer-syntax={EXPLICIT_LITTLE}",)


def request(query: bytes, *accept: bytes) -> Request:
    headers = [(b"accept", value) for value in accept]
    return Request({"type": "http", "path": "/", "query_string": query, "headers": headers})


def test_a_plus_in_the_query_parameter_is_a_plus() -> None:
    ranges = accepted_by(request(b"limit=1&accept=application/dicom+json", b"*/*"))
    assert ranges == [MediaRange("application/dicom+json", in_query=True), MediaRange("*/*")]


def test_repeated_headers_and_parameters_are_one_list() -> None:
    ranges = accepted_by(request(b"accept=a%2Fb&accept=c/d%3Bq=0.5", b"e/f", b"g/h"))
    assert [(each.name, each.in_query) for each in ranges] == [
        ("a/b", True),
        ("c/d", True),
        ("e/f", False),
        ("g/h", False),
    ]
