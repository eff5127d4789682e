"""How retrieves end, and the beginning of answers that do not."""

from isthmus.common.messages import RetrieveDone
from tests.common.webclient.web_origin import MULTIPART, multipart

COUNT = 5
"""Instances of the study."""


def in_part(*contents: bytes) -> bytes:
    """The headers of an answer that goes on after these parts."""
    body = multipart(*contents).removesuffix(b"--frontier--\r\n")
    return f"HTTP/1.1 200 OK\r\nContent-Type: {MULTIPART}\r\nContent-Length: 9999999\r\n\r\n".encode() + body


def whole(end: RetrieveDone) -> bool:
    """Whether nothing stands against it."""
    return (end.completed, end.missing, end.unnamed, end.failure) == (COUNT, (), 0, None) and not end.unlisted


def lacks(end: RetrieveDone) -> list[str]:
    return [one.sop_instance_uid for one in end.missing]
