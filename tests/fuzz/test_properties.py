"""What goes out comes back as it was: messages, multipart bodies, data sets in JSON and XML."""

import types
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from io import BytesIO
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.common import messages
from isthmus.common.dicom.from_json import Stretch, encode_data_set
from isthmus.common.dicom.json_model import metadata_of
from isthmus.common.dicom.json_values import DicomJson, JsonElement
from isthmus.common.dicom.xml_model import native_model, parse_native_model
from isthmus.common.dicomweb.accept import ANY, Offer, negotiate, parse_accept
from isthmus.common.dicomweb.multipart_in import read_parts
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.errors import InvalidParameter, NotAcceptable
from isthmus.common.messages import decode, encode
from tests.fuzz.coroutines import finish
from tests.fuzz.samples import header

few = settings(max_examples=25)
some = settings(max_examples=60)

_KINDS: Final = [
    kind
    for name in messages.__all__
    if is_dataclass(kind := getattr(messages, name)) and isinstance(kind, type)
]
_PLAIN: Final[dict[object, st.SearchStrategy[Any]]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    types.NoneType: st.none(),
}
_NAMED: Final[DicomJson] = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}}


def strategy_of(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - any annotation of a field
    """Give values of a type, as annotations of messages have them."""
    if kind == DicomJson:
        return st.just(_NAMED)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: strategy_of(hints[field.name]) for field in fields(kind)})
    return _of_several(get_origin(kind), get_args(kind))


def _of_several(origin: object, arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin in (Union, types.UnionType):
        return st.one_of(*map(strategy_of, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (dict, Mapping):
        return st.dictionaries(strategy_of(arguments[0]), strategy_of(arguments[1]), max_size=2)
    assert origin is tuple, f"no values are known of {origin!r}"
    if arguments[-1] is Ellipsis:
        return st.lists(strategy_of(arguments[0]), max_size=2).map(tuple)
    return st.tuples(*map(strategy_of, arguments))


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
def test_a_message_is_read_as_it_was_written(kind: type[Any]) -> None:
    @few
    @given(strategy_of(kind))
    def is_the_same(message: object) -> None:
        assert decode(encode(message), kind) == message

    is_the_same()


async def _chunks(body: bytes, sizes: Sequence[int]) -> AsyncIterator[bytes]:
    at = 0
    for size in sizes:
        yield body[at : at + size]
        at += size
    yield body[at:]


async def _read(body: bytes, content_type: str, sizes: Sequence[int]) -> list[tuple[str, bytes]]:
    return [
        (part.headers["content-type"], b"".join([chunk async for chunk in part]))
        async for part in read_parts(_chunks(body, sizes), content_type)
    ]


@some
@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\r\n\r\n--"]), max_size=4
    ),
    st.lists(st.integers(1, 50), max_size=12),
)
def test_the_parts_of_a_body_are_read_as_they_were_written_however_it_is_cut(
    contents: list[bytes], sizes: list[int]
) -> None:
    writer = MultipartWriter("application/dicom")
    parts = [writer.part("application/dicom", length=len(content)) + content for content in contents]
    body = b"".join([*parts, writer.close()])
    read = finish(_read(body, writer.content_type, sizes))
    assert read == [("application/dicom", content) for content in contents]


_WORD: Final = st.text(
    st.characters(
        codec="utf-8",
        exclude_characters="\\^=\0\r\n\x1b",
        exclude_categories=["Cc", "Zs", "Zl", "Zp", "Cs", "Cn"],
    ),
    min_size=1,
    max_size=12,
)
_VALUES: Final[dict[str, tuple[str, st.SearchStrategy[Any]]]] = {
    "00081030": ("LO", _WORD),
    "00100010": ("PN", _WORD.map(lambda name: {"Alphabetic": name})),
    "00080060": ("CS", st.text("ABCDEFGH_0123", min_size=1, max_size=16)),
    "0020000D": ("UI", st.from_regex(r"[1-9](\.[1-9][0-9]{0,3}){1,8}", fullmatch=True)),
    "00280010": ("US", st.integers(0, 2**16 - 1)),
    "00186020": ("SL", st.integers(-(2**31), 2**31 - 1)),
    "00189073": ("FD", st.floats(allow_nan=False, allow_infinity=False)),
    "00200013": ("IS", st.integers(-(2**31), 2**31 - 1)),
    "00720026": ("AT", st.from_regex(r"[0-9A-F]{8}", fullmatch=True)),
}
"""Of some attributes their VR and a value."""


@st.composite
def data_sets(draw: Callable[..., Any], depth: int = 2) -> DicomJson:
    """Give data sets, with items in items."""
    found: DicomJson = {}
    for tag in draw(st.sets(st.sampled_from(sorted(_VALUES)))):
        vr, value = _VALUES[tag]
        element: JsonElement = {"vr": vr, "Value": [draw(value)]}
        found[tag] = element
    if depth and draw(st.booleans()):
        found["00400275"] = {
            "vr": "SQ",
            "Value": draw(st.lists(data_sets(depth - 1), min_size=1, max_size=2)),
        }
    return dict(sorted(found.items()))


@some
@given(data_sets())
def test_a_data_set_of_json_is_described_by_the_same_json(described: DicomJson) -> None:
    described["00080018"] = {"vr": "UI", "Value": ["1.2.3"]}
    described["00080016"] = {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]}
    pieces = encode_data_set(described, lambda _: ())
    content = b"".join(piece for piece in pieces if not isinstance(piece, Stretch))
    found, left_out = metadata_of(BytesIO(header("1.2.840.10008.1.2.1") + content), "/bulk")
    found.pop("00080005", None)
    assert left_out == []
    assert found == described


@some
@given(data_sets())
def test_a_data_set_is_the_same_in_xml(described: DicomJson) -> None:
    read = parse_native_model(native_model(described))
    assert read.keys() == described.keys()
    assert native_model(read) == native_model(described)


@some
@given(st.text(max_size=60) | st.from_regex(r"[a-z*]{1,5}/[a-z*]{1,6}(;q=[01]\.[0-9])?", fullmatch=True))
def test_whatever_is_accepted_is_of_what_there_is_or_refused(text: str) -> None:
    offers = [Offer("application/dicom", multipart=True, transfer_syntaxes=(ANY,)), Offer("image/png")]
    with suppress(InvalidParameter, NotAcceptable):
        assert negotiate(parse_accept(text), offers).offer in offers
