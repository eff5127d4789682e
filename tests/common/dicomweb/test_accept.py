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
from isthmus.common.dicomweb.accept import Obtainable
from isthmus.common.dicomweb.offers import ZIP
from isthmus.common.errors import InvalidParameter, NotAcceptable

EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_LS = "1.2.840.10008.1.2.4.80"
RLE = "1.2.840.10008.1.2.5"
IMPLICIT = "1.2.840.10008.1.2"

HELD_IN_EXPLICIT = Obtainable(EXPLICIT_LITTLE, EXPLICIT_LITTLE, (RLE, JPEG_LS))
HELD_IN_IMPLICIT = HELD_IN_EXPLICIT
HELD_IN_JPEG_2000 = Obtainable(JPEG_2000, EXPLICIT_LITTLE, (RLE, JPEG_LS))
HELD_IN_JPEG = Obtainable(JPEG_BASELINE, JPEG_BASELINE, (EXPLICIT_LITTLE,))
HELD_IN_SOMETHING = Obtainable("1.2.3", "1.2.3")

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


def syntaxes(accept: str, obtainable: Obtainable) -> tuple[str, ...]:
    ranges = parse_accept(",".join(f"multipart/related{each}" for each in accept.split(",")))
    return negotiate(ranges, STUDY).syntaxes(obtainable)


@pytest.mark.parametrize(
    ("obtainable", "expected"),
    [
        (HELD_IN_EXPLICIT, (EXPLICIT_LITTLE,)),
        (HELD_IN_JPEG_2000, (EXPLICIT_LITTLE, JPEG_2000)),
        (HELD_IN_JPEG, (JPEG_BASELINE,)),
        (HELD_IN_SOMETHING, ("1.2.3",)),
    ],
)
def test_without_a_transfer_syntax_an_object_is_explicit_or_what_it_must_be(
    obtainable: Obtainable, expected: tuple[str, ...]
) -> None:
    assert syntaxes("", obtainable) == expected
    assert negotiate(parse_accept("*/*"), STUDY).syntaxes(obtainable) == expected


@pytest.mark.parametrize("held", [HELD_IN_EXPLICIT, HELD_IN_JPEG_2000, HELD_IN_JPEG, HELD_IN_SOMETHING])
def test_an_asterisk_is_as_it_is_held(held: Obtainable) -> None:
    assert syntaxes(";transfer-syntax=*", held)[0] == held.as_held


def test_what_is_named_is_given_where_it_can_be() -> None:
    assert syntaxes(f";transfer-syntax={JPEG_LS}", HELD_IN_JPEG_2000) == (JPEG_LS,)
    assert syntaxes(f";transfer-syntax={EXPLICIT_LITTLE}", HELD_IN_JPEG) == (EXPLICIT_LITTLE,)


@pytest.mark.parametrize("wanted", [IMPLICIT, "1.2.840.10008.1.2.2", JPEG_BASELINE, "nonsense"])
def test_what_cannot_be_given_is_not_acceptable_and_lists_what_can(wanted: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        syntaxes(f";transfer-syntax={wanted}", HELD_IN_IMPLICIT)
    assert caught.value.available == tuple(
        f'multipart/related; type="application/dicom"; transfer-syntax={each}'
        for each in (EXPLICIT_LITTLE, RLE, JPEG_LS)
    )


def test_the_best_of_several_that_is_possible_counts() -> None:
    accept = f";transfer-syntax={JPEG_BASELINE};q=0.9,;transfer-syntax={JPEG_LS};q=0.2,;q=0.1"
    assert syntaxes(accept, HELD_IN_JPEG)[0] == JPEG_BASELINE
    assert syntaxes(accept, HELD_IN_EXPLICIT) == (JPEG_LS, EXPLICIT_LITTLE)
    assert syntaxes(accept, HELD_IN_SOMETHING) == ("1.2.3",)


def test_of_several_wanted_alike_the_held_one_costs_nothing_and_else_the_first_counts() -> None:
    accept = f";transfer-syntax={RLE},;transfer-syntax={JPEG_2000},;transfer-syntax={EXPLICIT_LITTLE}"
    assert syntaxes(accept, HELD_IN_JPEG_2000) == (JPEG_2000, RLE, EXPLICIT_LITTLE)
    assert syntaxes(accept, HELD_IN_EXPLICIT) == (EXPLICIT_LITTLE, RLE)


def test_a_transfer_syntax_of_weight_zero_is_refused_though_any_other_is_taken() -> None:
    accept = f";transfer-syntax={JPEG_2000};q=0,;transfer-syntax=*"
    assert syntaxes(accept, HELD_IN_JPEG_2000) == (EXPLICIT_LITTLE, RLE, JPEG_LS)


def test_what_is_refused_is_no_last_resort() -> None:
    accept = f";transfer-syntax={JPEG_2000};q=0,;q=0.5"
    assert syntaxes(accept, HELD_IN_JPEG_2000) == (EXPLICIT_LITTLE,)


def test_a_known_transfer_syntax_can_change_the_media_type() -> None:
    ranges = parse_accept(f"application/dicom; transfer-syntax={JPEG_BASELINE}, multipart/related;q=0.5")
    assert negotiate(ranges, INSTANCE).offer == DICOM_FILE
    assert negotiate(ranges, INSTANCE, obtainable=HELD_IN_EXPLICIT).offer == DICOM_PARTS


def test_not_acceptable_names_the_transfer_syntaxes_that_there_are() -> None:
    ranges = parse_accept(f"application/dicom; transfer-syntax={JPEG_BASELINE}")
    with pytest.raises(NotAcceptable) as caught:
        negotiate(ranges, [DICOM_FILE], obtainable=HELD_IN_SOMETHING)
    assert caught.value.available == ("application/dicom; transfer-syntax=1.2.3",)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/zip", "application/zip"),
        ('application/zip; type="application/dicom"; transfer-syntax=*', "application/zip"),
        ("application/*", "application/zip"),
        ("*/*", 'multipart/related; type="application/dicom"'),
    ],
)
def test_a_study_can_be_an_archive(accept: str, expected: str) -> None:
    assert chosen(accept, [DICOM_PARTS, ZIP]) == expected


def test_an_archive_of_something_else_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptable):
        chosen('application/zip; type="application/dicom+xml"', [DICOM_PARTS, ZIP])


@pytest.mark.parametrize(
    "accept",
    [
        "image/jls",
        "image/x-jls",
        "image/*",
        'multipart/related; type="image/jls"',
        'multipart/related; type="image/x-jls"',
        'multipart/related; type="image/*"',
        'multipart/related; type="*/*"',
    ],
)
def test_older_names_and_wildcards_of_parts_are_understood(accept: str) -> None:
    offers = [Offer("image/jls", multipart=True), Offer("image/jls")]
    assert negotiate(parse_accept(accept), offers).offer.multipart is accept.startswith("multipart")


def test_the_more_specific_part_type_tells_the_weight() -> None:
    offers = [Offer("image/jls", multipart=True), Offer("image/jp2", multipart=True)]
    accept = 'multipart/related; type="image/*"; q=0.5, multipart/related; type="image/jls"; q=0.1'
    assert chosen(accept, offers) == 'multipart/related; type="image/jp2"'


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
