"""What the load generator takes for a whole body."""

import gzip

import pytest

from bench.response import BadResponse, Response

PART = b"--b\r\nContent-Type: application/dicom\r\n\r\ncontent\r\n"
BODY = PART * 3 + b"--b--\r\n"
MULTIPART = b'Content-Type: multipart/related; type="application/dicom"; boundary=b\r\n'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + MULTIPART + b"\r\n"


def chunks(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def received(data: bytes, piece: int = 1024 * 1024) -> Response:
    response = Response()
    for at in range(0, len(data), piece):
        content = bytearray(data[at : at + piece])
        response.feed(content, len(content))
    return response


def test_a_body_without_its_last_chunk_is_not_whole() -> None:
    response = received(CHUNKED + chunks(BODY, 10))
    response.end()

    assert not response.whole


def test_a_body_without_its_closing_delimiter_is_not_whole() -> None:
    assert not received(CHUNKED + chunks(PART * 3, 10) + b"0\r\n\r\n").whole


def test_a_body_shorter_than_its_length_is_not_whole() -> None:
    response = received(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n" + MULTIPART + b"\r\n" + BODY)
    response.end()

    assert not response.whole


def test_what_is_no_http_is_refused() -> None:
    with pytest.raises(BadResponse):
        received(b"220 ready\r\n\r\n")


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 1024])
@pytest.mark.parametrize("chunk", [1, 2, 5, 1000])
def test_parts_are_counted_however_the_body_is_cut(piece: int, chunk: int) -> None:
    response = received(CHUNKED + chunks(BODY, chunk) + b"0\r\n\r\n", piece)

    assert response.whole
    assert response.parts() == 3
    assert response.size == len(BODY)


def test_a_body_may_have_a_length_or_end_with_its_connection() -> None:
    with_length = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(BODY), MULTIPART, BODY)
    without = received(b"HTTP/1.1 200 OK\r\n" + MULTIPART + b"\r\n" + BODY)
    without.end()

    assert received(with_length).whole
    assert without.whole
    assert without.parts() == 3


def test_the_items_of_a_compressed_array_are_counted() -> None:
    body = gzip.compress(b'[{"a": 1}, {"a": 2}]')
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Encoding: gzip\r\n"

    response = received(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    assert response.parts() == 2


def test_what_a_store_has_stored_is_counted() -> None:
    body = b'{"00081190": {"vr": "UR"}, "00081199": {"vr": "SQ", "Value": [{}, {}, {}]}}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n"

    assert received(head + b"Content-Length: %d\r\n\r\n" % len(body) + body).parts() == 3
