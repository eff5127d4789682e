"""Reading multipart/related: what is read, and what is never taken for a complete part."""

from collections.abc import AsyncIterator, Coroutine, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.common.dicomweb import MultipartWriter, PartLimits, read_parts
from isthmus.common.errors import TruncatedPayload, UnreadablePayload, UnsupportedMediaType

TYPE = 'multipart/related; type="application/dicom"; boundary=B'
TWO_PARTS = (
    b"--B\r\nContent-Type: application/dicom\r\n\r\none\r\n"
    b"--B\r\nContent-Type: application/dicom\r\n\r\ntwo\r\n"
    b"--B--\r\n"
)


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def contents(body: bytes | Iterable[bytes], content_type: str = TYPE) -> list[bytes]:
    chunks = [body] if isinstance(body, bytes) else body
    return [
        b"".join([data async for data in part]) async for part in read_parts(stream(chunks), content_type)
    ]


def run(reading: Coroutine[None, None, list[bytes]]) -> list[bytes]:
    """Run to the end what waits for nothing but our own chunks: hypothesis has no async tests."""
    with pytest.raises(StopIteration) as stopped:
        reading.send(None)
    result: list[bytes] = stopped.value.value
    return result


async def complete_before_failure(body: bytes, error: type[UnreadablePayload]) -> list[bytes]:
    """The contents that were given as complete before the error came."""
    complete: list[bytes] = []

    async def read() -> None:
        async for part in read_parts(stream([body]), TYPE):
            content = b"".join([data async for data in part])
            complete.append(content)

    with pytest.raises(error):
        await read()
    return complete


@pytest.mark.parametrize(
    "content_type", [None, "", "application/dicom", "multipart/form-data; boundary=B", "?"]
)
def test_what_is_not_multipart_related_is_unsupported_at_once(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_parts(stream([]), content_type)


@pytest.mark.parametrize(
    "parameter", ["", "; boundary=", '; boundary=""', f"; boundary={'b' * 71}", '; boundary="b "']
)
def test_a_missing_or_impossible_boundary_is_unreadable_at_once(parameter: str) -> None:
    with pytest.raises((UnreadablePayload, UnsupportedMediaType)):
        read_parts(stream([]), "multipart/related; type=application/dicom" + parameter)


def test_a_missing_boundary_parameter_is_unreadable_and_not_unsupported() -> None:
    with pytest.raises(UnreadablePayload, match="boundary"):
        read_parts(stream([]), "multipart/related; type=application/dicom")


@pytest.mark.parametrize("body", [b"", b"no delimiter at all", b"--A\r\n\r\none\r\n--A--"])
async def test_a_body_without_its_boundary_is_unreadable(body: bytes) -> None:
    assert await complete_before_failure(body, UnreadablePayload) == []


@pytest.mark.parametrize("length", range(TWO_PARTS.index(b"--B--") + 4))
async def test_a_truncated_body_gives_its_complete_parts_and_then_an_error(length: int) -> None:
    second = TWO_PARTS.index(b"\r\n--B\r\n", 3) + len(b"\r\n--B\r\n")
    expected = [b"one"] if length >= second else []
    assert await complete_before_failure(TWO_PARTS[:length], UnreadablePayload) == expected


async def test_the_part_in_which_the_body_ended_is_not_taken_for_complete() -> None:
    parts = read_parts(stream([TWO_PARTS[: TWO_PARTS.index(b"two") + 2]]), TYPE)
    first = await anext(parts)
    assert [data async for data in first] == [b"one"]
    second = await anext(parts)
    assert await anext(second) == b"tw"
    for _ in range(2):
        with pytest.raises(TruncatedPayload):
            await anext(second)
    with pytest.raises(TruncatedPayload):
        await anext(parts)


async def test_the_end_is_missed_also_when_the_truncated_part_was_skipped() -> None:
    parts = read_parts(stream([TWO_PARTS[: TWO_PARTS.index(b"two") + 2]]), TYPE)
    await anext(parts)
    await anext(parts)
    with pytest.raises(TruncatedPayload):
        await anext(parts)


@pytest.mark.parametrize(
    "headers",
    [
        b"no colon\r\n",
        b": no name\r\n",
        b"A: 1\nB: 2\r\r\n",
        b"A: " + b"x" * 9000 + b"\r\n",
        b"A: 1\r\n" * 33,
    ],
)
async def test_malformed_or_too_large_headers_are_unreadable_after_the_complete_parts(headers: bytes) -> None:
    body = b"--B\r\n\r\none\r\n--B\r\n" + headers + b"\r\ntwo\r\n--B--"
    assert await complete_before_failure(body, UnreadablePayload) == [b"one"]


async def test_the_limits_are_the_callers() -> None:
    parts = read_parts(stream([TWO_PARTS]), TYPE, PartLimits(headers=32, header_bytes=16))
    with pytest.raises(UnreadablePayload):
        await anext(parts)


@pytest.mark.parametrize("line", [b"--B\n", b"--Bx\r\n", b"--B\rx", b"--B-\r\n", b"--B \t\n"])
async def test_a_malformed_line_of_a_delimiter_never_makes_one_part_of_two(line: bytes) -> None:
    malformed = TWO_PARTS.replace(b"\r\n--B\r\n", b"\r\n" + line)
    assert await complete_before_failure(malformed, UnreadablePayload) == []


@pytest.mark.parametrize("line", [b"--B\n", b"--Bx\r\n", b"--B\rx\n"])
async def test_a_malformed_line_of_the_first_delimiter_is_unreadable(line: bytes) -> None:
    body = line + b"\r\none\r\n--B\r\n\r\ntwo\r\n--B--"
    assert await complete_before_failure(body, UnreadablePayload) == []


async def test_a_delimiter_right_after_the_headers_never_makes_one_part_of_two() -> None:
    body = b"--B\r\nA: 1\r\n\r\n--B\r\n\r\ntwo\r\n--B--"
    assert await complete_before_failure(body, UnreadablePayload) == []


async def test_headers_are_read_without_regard_to_case() -> None:
    body = b"--B\r\ncontent-TYPE:application/dicom;  transfer-syntax=1.2 \r\nX-Empty:\r\n\r\none\r\n--B--"
    part = await anext(read_parts(stream([body]), TYPE))
    assert part.headers["Content-Type"] == "application/dicom;  transfer-syntax=1.2"
    assert part.headers["x-empty"] == ""
    assert "Content-Location" not in part.headers


async def test_each_part_has_its_own_headers() -> None:
    body = b"--B\r\nContent-Type: a/b\r\n\r\none\r\n--B\r\n\r\ntwo\r\n--B--"
    headers = [dict(part.headers) async for part in read_parts(stream([body]), TYPE)]
    assert headers == [{"content-type": "a/b"}, {}]


async def test_a_part_that_is_not_consumed_is_skipped() -> None:
    parts = read_parts(stream([TWO_PARTS]), TYPE)
    first = await anext(parts)
    second = await anext(parts)
    assert [data async for data in first] == []
    assert [data async for data in second] == [b"two"]


async def test_content_is_given_as_it_arrives() -> None:
    arrived: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for number, chunk in enumerate([b"--B\r\n\r\n", b"abc", b"def", b"\r\n--B--"]):
            arrived.append(number)
            yield chunk

    part = await anext(read_parts(chunks(), TYPE))
    assert await anext(part) == b"abc"
    assert arrived == [0, 1]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"a preamble\r\n--A\r\n" + TWO_PARTS, [b"one", b"two"], id="preamble"),
        pytest.param(b"\r\n" + TWO_PARTS, [b"one", b"two"], id="line break before the first delimiter"),
        pytest.param(TWO_PARTS + b"an epilogue\r\n--B\r\n\r\nx", [b"one", b"two"], id="epilogue"),
        pytest.param(TWO_PARTS[:-2], [b"one", b"two"], id="no line break at the end"),
        pytest.param(TWO_PARTS[:-2] + b"\n", [b"one", b"two"], id="line feed at the end"),
        pytest.param(TWO_PARTS.replace(b"--B\r\n", b"--B \t\r\n"), [b"one", b"two"], id="transport padding"),
        pytest.param(b"--B\r\n\r\n\r\n--B--", [b""], id="empty part"),
        pytest.param(b"--B--\r\n", [], id="no parts"),
        pytest.param(b"preamble\r\n--B--", [], id="no parts after a preamble"),
        pytest.param(b"--B\r\n\r\n\r\n--\r\n--A\r\n--b\r\n--B--", [b"\r\n--\r\n--A\r\n--b"], id="nearly"),
    ],
)
async def test_a_body_has_these_parts(body: bytes, expected: list[bytes]) -> None:
    assert await contents(body) == expected


@pytest.mark.parametrize("boundary", ["b" * 70, "a b:c=d?(e)", "----=_Part_0_1.2"])
async def test_a_boundary_may_be_quoted_and_long(boundary: str) -> None:
    body = TWO_PARTS.replace(b"--B", b"--" + boundary.encode())
    assert await contents(body, f'multipart/related; boundary="{boundary}"') == [b"one", b"two"]


async def test_what_we_write_we_read() -> None:
    writer = MultipartWriter("application/dicom")
    body = writer.part("application/dicom") + b"one" + writer.part("application/dicom") + b"" + writer.close()
    assert await contents(body, writer.content_type) == [b"one", b""]


# Contents made of pieces of delimiters find what random bytes would not.
pieces = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"B", b"\r\n--", b"\r\n-", b"\0", b"x"]), max_size=12
)
contents_of_parts = pieces.map(b"".join).filter(lambda data: b"\r\n--B" not in b"\r\n" + data)


@given(
    parts=st.lists(contents_of_parts, max_size=3),
    preamble=contents_of_parts,
    padding=st.sampled_from([b"", b" ", b"\t "]),
    cuts=st.lists(st.integers(0, 200), max_size=12),
)
def test_chunks_may_end_anywhere(
    parts: list[bytes], preamble: bytes, padding: bytes, cuts: list[int]
) -> None:
    line = b"\r\n--B" + padding + b"\r\n"
    body = preamble + b"".join(line + b"A: 1\r\n\r\n" + part for part in parts) + b"\r\n--B--\r\nepilogue"
    borders = [0, *sorted(cuts), len(body)]
    chunks = [body[start:end] for start, end in pairwise(borders)]
    assert run(contents(chunks)) == parts


@given(chunk_size=st.integers(1, 8))
def test_small_chunks_give_the_same_parts(chunk_size: int) -> None:
    chunks = [TWO_PARTS[start : start + chunk_size] for start in range(0, len(TWO_PARTS), chunk_size)]
    assert run(contents(chunks)) == [b"one", b"two"]
