"""Instances out of metadata and bulkdata: what is made of them, and what is wrong with others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.dicom.from_json import Stretch
from isthmus.common.dicom.vrs import KNOWN_VRS
from isthmus.common.dicom.xml_model import native_model
from isthmus.common.errors import MalformedDataset
from isthmus.stow.composing import Composed, Refused, compose
from isthmus.stow.parts import BulkPart, Kind
from isthmus.stow.pictures.compressed import Compressed
from tests.data_sets import identity
from tests.stow.payloads import Model, described

BASE: Final = "http://host/aets/pacs/studies"
STREAM: Final = Compressed("1.2.840.10008.1.2.4.102", is_stream=True, number_of_frames=None)


def composed(*objects: object, **located: list[BulkPart]) -> list[Composed | Refused]:
    """Compose objects, whose bulkdata are below the service."""
    parts = {f"http://host/aets/pacs/{location}": found for location, found in located.items()}
    return compose(json.dumps(list(objects)).encode(), Kind.JSON, parts, BASE)


def whole(length: int = 512) -> BulkPart:
    return BulkPart(Stretch("spool/1", 0, length))


@pytest.fixture
def found(series: list[Path]) -> Model:
    """An image, whose pixels are at `pixels`."""
    found = described(series[0]).metadata
    found["7FE00010"]["BulkDataURI"] = "pixels"
    return found


def test_an_instance_is_pieces_and_references(found: Model, series: list[Path]) -> None:
    (instance,) = composed(found, pixels=[whole()])
    assert isinstance(instance, Composed)
    assert instance.identity.sop_instance_uid == identity(series[0]).sop_instance_uid
    assert instance.transfer_syntax_uid == pydicom.uid.ExplicitVRLittleEndian
    assert instance.dataset[1] == Stretch("spool/1", 0, 512)
    assert instance.used == {"http://host/aets/pacs/pixels"}


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("http://elsewhere/a/1", "http://elsewhere/a/1"),
        ("urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", "urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("bulk/1", "http://host/aets/pacs/bulk/1"),
        ("./bulk/../bulk/1", "http://host/aets/pacs/bulk/1"),
        ("/bulk/1", "http://host/bulk/1"),
        ("  bulk/1?frame=2 ", "http://host/aets/pacs/bulk/1?frame=2"),
    ],
)
def test_a_relative_uri_is_one_of_the_request(found: Model, uri: str, location: str) -> None:
    found["7FE00010"]["BulkDataURI"] = uri
    (instance,) = compose(json.dumps(found).encode(), Kind.JSON, {location: [whole()]}, BASE)
    assert isinstance(instance, Composed)


def test_what_is_no_uri_is_a_name_like_others(found: Model) -> None:
    found["7FE00010"]["BulkDataURI"] = "http://[pixels"
    (instance,) = compose(json.dumps(found).encode(), Kind.JSON, {"http://[pixels": [whole()]}, BASE)
    assert isinstance(instance, Composed)


def test_no_uri_stands_for_pixels_that_are_not_there(found: Model) -> None:
    found["00420011"] = {"vr": "OB", "BulkDataURI": "the pixel data"}
    (instance,) = composed(found, pixels=[whole()])
    assert isinstance(instance, Refused)
    assert instance.reason == 0xC002


Spoil = Callable[[Model], Any]


@pytest.mark.parametrize(
    ("spoil", "reason", "comment"),
    [
        (lambda one: one.pop("0020000D"), 0xC001, "(0020,000D): it is missing"),
        (lambda one: one["0020000E"].pop("Value"), 0xC001, "(0020,000E): it is missing"),
        (lambda one: one.update({"00280010": {"vr": "US", "Value": ["secret"]}}), 0xC001, "(0028,0010): "),
        (lambda one: one.update({"00100020": {"vr": "XY", "Value": ["secret"]}}), 0xC001, "(0010,0020): "),
        (lambda one: one.update({"00100020": {"vr": "FD", "Value": [1.5]}}), 0xC001, "(0010,0020): "),
        (
            lambda one: one.update({"00420011": {"vr": "OB", "InlineBinary": "secret!"}}),
            0xC001,
            "(0042,0011): ",
        ),
        (lambda one: one.update({"00091001": {"vr": "UN", "Value": ["secret"]}}), 0xC001, "(0009,1001): "),
        (lambda one: one.update({"PatientID": {"vr": "LO"}}), 0xC001, ""),
        (lambda one: one["7FE00010"].update(BulkDataURI="secret"), 0xC002, "(7FE0,0010): no part"),
        (lambda one: one["7FE00010"].update(BulkDataURI=""), 0xC002, "(7FE0,0010): no part"),
        (lambda one: one["7FE00010"].update(BulkDataURI=7), 0xC001, "(7FE0,0010): "),
        (lambda one: one["00280011"].update(Value=[17]), 0xC004, "(7FE0,0010): pixel data are shorter"),
        (
            lambda one: (
                one.update({"00880200": {"vr": "SQ", "Value": [{"7FE00010": dict(one["7FE00010"])}]}})
                or one["7FE00010"].update(BulkDataURI="twice")
            ),
            0xC003,
            "(7FE0,0010): several parts",
        ),
    ],
)
def test_the_reason_names_the_attribute_and_quotes_nothing(
    found: Model, spoil: Spoil, reason: int, comment: str
) -> None:
    spoil(found)
    (instance,) = composed(found, pixels=[whole()], twice=[whole(), whole()])
    assert isinstance(instance, Refused)
    assert instance.identity is not None
    assert instance.reason == reason
    assert instance.detail.startswith(comment)
    assert "secret" not in instance.detail


@pytest.mark.parametrize("tag", ["00080016", "00080018"])
def test_what_cannot_be_named_has_no_identity(found: Model, tag: str) -> None:
    del found[tag]
    (instance,) = composed(found, pixels=[whole()])
    assert isinstance(instance, Refused)
    assert instance.identity is None


def test_bulkdata_are_used_by_an_instance_that_is_refused_and_by_what_is_left_out(found: Model) -> None:
    found["FFFCFFFC"] = {"vr": "OB", "BulkDataURI": "padding"}
    found["00880200"] = {"vr": "SQ", "Value": [{"7FE00010": {"vr": "OB", "BulkDataURI": "icon"}}]}
    used = {f"http://host/aets/pacs/{name}" for name in ("pixels", "padding", "icon")}
    (instance,) = composed(found, pixels=[whole()], icon=[whole()])
    assert isinstance(instance, Composed)
    assert instance.used == used
    found["00080005"] = {"vr": "??"}
    (instance,) = composed(found, pixels=[whole()], icon=[whole()])
    assert isinstance(instance, Refused)
    assert instance.used == used


def test_bulkdata_are_used_by_a_document_that_is_refused(found: Model) -> None:
    spoilt = native_model(found).replace(b'<Value number="1">16</Value>', b"<Value>many</Value>")
    (instance,) = compose(spoilt, Kind.XML, {}, BASE)
    assert isinstance(instance, Refused)
    assert "http://host/aets/pacs/pixels" in instance.used


def test_a_stream_beyond_the_length_of_a_fragment_is_in_several(found: Model) -> None:
    frames = ((0, 2**33 + 10),)
    part = BulkPart(Stretch("spool/1", 0, 2**33 + 10), STREAM)
    part = BulkPart(part.stretch, Compressed(STREAM.transfer_syntax_uid, frames=frames, is_stream=True))
    (instance,) = composed(found, pixels=[part])
    assert isinstance(instance, Composed)
    stretches = [piece for piece in instance.dataset if isinstance(piece, Stretch)]
    assert [stretch.length for stretch in stretches] == [2**31] * 4 + [10]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"{",
        b'"text"',
        b"[1]",
        b"[{},]",
        b"[{} {}]",
        b"[{}] {}",
        b"{} {}",
        b"{},{}",
        b"null",
        b"\xff\xfe[]",
        b"[" * 100_000,
        b'[{"00080016":' * 50_000,
    ],
)
def test_what_is_no_json_of_objects_cannot_be_read(content: bytes) -> None:
    with pytest.raises(MalformedDataset):
        compose(content, Kind.JSON, {}, BASE)


@pytest.mark.parametrize("content", [b"[]", b" [ ] \r\n", b"\xef\xbb\xbf[]"])
def test_an_empty_array_has_no_instance(content: bytes) -> None:
    assert compose(content, Kind.JSON, {}, BASE) == []


def test_white_space_is_of_no_matter(found: Model) -> None:
    content = f"\t[ {json.dumps(found)}\n,\r\n {json.dumps(found)} ] ".encode()
    assert len(compose(content, Kind.JSON, {}, BASE)) == 2


ANYTHING: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["1", "01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TAGS: Final = st.sampled_from(
    [
        "00080005",
        "00080018",
        "00280010",
        "00280008",
        "00280100",
        "00100010",
        "00081140",
        "7FE00010",
        "7fe00010",
        "00420011",
        "FFFCFFFC",
    ]
)
ELEMENTS: Final = ANYTHING | st.fixed_dictionaries(
    {"vr": st.sampled_from(sorted(KNOWN_VRS)) | ANYTHING},
    optional={
        "Value": st.lists(ANYTHING, max_size=3) | ANYTHING,
        "BulkDataURI": ANYTHING,
        "InlineBinary": ANYTHING,
    },
)


@given(st.dictionaries(TAGS | st.text(max_size=9), ELEMENTS, max_size=4))
def test_whatever_metadata_say_is_written_or_refused(spoilt: dict[str, Any]) -> None:
    uids = {f"0020000{letter}": {"vr": "UI", "Value": ["1.2"]} for letter in "DE"}
    uids |= {tag: {"vr": "UI", "Value": ["1.2.3"]} for tag in ("00080016", "00080018")}
    (instance,) = composed({**uids, **spoilt}, pixels=[whole()])
    assert isinstance(instance, Composed | Refused)
