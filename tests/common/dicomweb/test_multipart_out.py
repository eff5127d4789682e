"""Writing multipart/related."""

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP

import pytest

from isthmus.common.dicomweb import MultipartWriter
from isthmus.common.dicomweb.multipart_out import multipart_length


@pytest.mark.parametrize("location", ["/a\r\nX: y", "/\u00e4", "/a\n"])
def test_a_header_cannot_be_broken_out_of(location: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        MultipartWriter("application/dicom").part("application/dicom", location=location)


def test_without_close_there_is_no_closing_delimiter() -> None:
    writer = MultipartWriter("application/dicom")
    body = writer.part("application/dicom") + b"one" + writer.part("application/dicom") + b"two"
    assert f"--{writer.boundary}--".encode() not in body


def test_each_body_has_its_own_boundary() -> None:
    assert MultipartWriter("application/dicom").boundary != MultipartWriter("application/dicom").boundary


def test_the_content_type_names_the_type_of_the_parts_in_quotes() -> None:
    writer = MultipartWriter("application/dicom")
    assert writer.content_type == (f'multipart/related; type="application/dicom"; boundary={writer.boundary}')


def test_a_part_has_its_headers() -> None:
    writer = MultipartWriter("application/dicom")
    head = writer.part(
        "application/dicom", transfer_syntax="1.2.840.10008.1.2.1", length=3, location="http://h/aets/demo/x"
    )
    assert (
        head
        == (
            f"--{writer.boundary}\r\n"
            "Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1\r\n"
            "Content-Length: 3\r\n"
            "Content-Location: http://h/aets/demo/x\r\n"
            "\r\n"
        ).encode()
    )


def test_a_parser_that_is_not_ours_reads_it() -> None:
    writer = MultipartWriter("application/dicom")
    body = b"".join(
        [
            writer.part("application/dicom"),
            b"one\r\n",
            writer.part("application/dicom", length=0),
            writer.part("application/dicom"),
            b"three",
            writer.close(),
        ]
    )
    head = f"Content-Type: {writer.content_type}\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + body)
    parts = [part.get_payload(decode=True) for part in message.iter_parts()]
    assert parts == [b"one\r\n", b"", b"three"]
    assert message.defects == []


def test_a_body_without_parts_is_only_the_closing_delimiter() -> None:
    writer = MultipartWriter("application/dicom")
    assert writer.close() == f"--{writer.boundary}--\r\n".encode()


def test_the_length_of_a_body_is_known_before_it_is_written() -> None:
    media_type = "application/dicom"
    parts = [("1.2.840.10008.1.2.1", 7), ("1.2.840.10008.1.2.4.50", 12345), ("1.2.840.10008.1.2.1", 0)]
    for some in (parts[:1], parts):
        writer = MultipartWriter(media_type)
        heads = (writer.part(media_type, transfer_syntax=syntax, length=length) for syntax, length in some)
        body = b"".join(head + bytes(length) for head, (_, length) in zip(heads, some, strict=True))
        assert multipart_length(media_type, some) == len(body + writer.close())
