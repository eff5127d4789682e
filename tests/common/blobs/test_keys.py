"""No UID and no name means more than itself in a key."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.blobs import (
    derived_key,
    derived_prefix,
    held_key,
    inbox_key,
    inbox_prefix,
    manifest_key,
    origin_of,
    segment,
    spool_key,
    study_of,
    study_prefixes,
)
from isthmus.common.blobs.keys import digest_of_key, life_of_key, series_derived_prefix


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "%"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("1.2/../3", "1.2%2F..%2F3"),
        ("1.2 3\0", "1.2%203%00"),
        ("%2E", "%252E"),
        ("a~b", "a%7Eb"),
        ("ä", "%C3%A4"),
    ],
)
def test_what_is_no_uid_is_percent_encoded(name: str, expected: str) -> None:
    assert segment(name) == expected


def test_what_is_too_long_is_hashed() -> None:
    assert re.fullmatch(r"%sha256\.[0-9a-f]{64}", segment("1" * 201))
    assert segment("1" * 201) != segment("1" * 202)
    assert segment("/" * 100).startswith("%sha256.")


@given(st.text(), st.text())
def test_two_names_never_share_a_segment(one: str, other: str) -> None:
    assert (segment(one) == segment(other)) == (one == other)


@given(st.text(st.characters(codec=None), max_size=300))
def test_a_segment_is_always_a_plain_file_name(name: str) -> None:
    encoded = segment(name)
    assert re.fullmatch(r"[0-9A-Za-z._%-]{1,200}", encoded)
    assert encoded not in {".", ".."}


def test_a_uid_stays_as_it_is_even_a_long_one_and_one_with_letters() -> None:
    assert segment("1." + "2" * 126) == "1." + "2" * 126
    assert segment("1.2.ABC_x-9") == "1.2.ABC_x-9"


def test_a_held_instance_lies_under_its_origin_and_uids() -> None:
    assert held_key("pacs", "1.2", "1.2.3", "1.2.3.4", "ab12") == "held/pacs/1.2/1.2.3/1.2.3.4/ab12.dcm"
    assert held_key("pacs", "..", "", "a/b", "ab12") == "held/pacs/%2E%2E/%/a%2Fb/ab12.dcm"


def test_a_spooled_instance_lies_under_its_job() -> None:
    assert spool_key("0a1b", 7) == "spool/0a1b/7.dcm"


def test_an_instance_tells_where_lies_what_was_made_from_its_series() -> None:
    held = held_key("pacs", "1.2", "a/b", "1.2.3.4", "ab12")
    assert series_derived_prefix(held) == derived_prefix("pacs", "1.2", "a/b")


@given(st.text(st.characters(codec=None), max_size=20), st.text(st.characters(codec=None), max_size=20))
def test_the_keys_of_a_study_tell_its_names_and_begin_as_those_of_all_studies(
    origin: str, study: str
) -> None:
    keys = (
        manifest_key(origin, study),
        held_key(origin, study, "1.2.3", "1.2.3.4", "ab12"),
        derived_key(origin, study, "1.2.3", "metadata-ab12"),
    )
    for key, of_all, of_origin, of_study in zip(
        keys, study_prefixes(), study_prefixes(origin), study_prefixes(origin, study), strict=True
    ):
        assert study_of(key) == (origin, study)
        assert key.startswith((of_all, of_origin, of_study))
        assert of_study.startswith(of_origin)
        assert of_origin.startswith(of_all)


@pytest.mark.parametrize("key", ["held/pacs", "held/a b/1.2/x", "held/%FF/1.2/x", "held/pacs/%2e/x"])
def test_a_key_that_we_never_write_names_no_study(key: str) -> None:
    assert study_of(key) is None


def test_what_is_hashed_names_no_study() -> None:
    assert study_of(manifest_key("pacs", "1" * 201)) is None


@given(st.text(max_size=300), st.text(max_size=300))
def test_an_instance_tells_its_origin(study: str, series: str) -> None:
    assert origin_of(held_key("pacs-1", study, series, "1.2", "d")) == "pacs-1"


@pytest.mark.parametrize("life", [0, 1, 12])
def test_the_key_of_an_instance_in_an_inbox_tells_its_bytes_and_its_life(life: int) -> None:
    key = inbox_key("inbox", "1.2", "1.3", "1.4", "abc", life)
    assert (digest_of_key(key), life_of_key(key)) == ("abc", life)
    assert key.startswith(inbox_prefix("inbox", "1.2", "1.3", "1.4"))
