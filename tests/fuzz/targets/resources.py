"""Paths: which resource they name, and what is made of their names for NATS and S3."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from isthmus.common.blobs.keys import digest_of_key, held_key, inbox_key, manifest_key, segment, study_of
from isthmus.common.bus import subjects
from isthmus.common.dicom.bulk import parse_bulk_path
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.errors import InvalidParameter, UnknownOrigin
from tests.fuzz.refusals import refusing

_MEANS_SOMETHING: Final = frozenset(" .*>\t\r\n\0/")


def target(data: bytes) -> None:
    """Read four names as Starlette gives them, decoded; and make names of ours of them."""
    names = [unquote(part) for part in data.decode("utf-8", "surrogateescape").split("/", 4)]
    given = dict(zip(("origin", "study", "series", "instance", "bulk"), names, strict=False))
    with refusing(InvalidParameter):
        parse_bulk_path(names[-1])
    if "study" not in given:
        return
    with refusing(InvalidParameter, UnknownOrigin):
        resource = Resource.from_path_params(given)
        for uid in (resource.study, resource.series or "", resource.instance or ""):
            _check_token(subjects.token(uid))
        key = held_key(resource.origin, resource.study, "1", "2", "d")
        assert study_of(key) == (resource.origin, resource.study)
        assert len(key.split("/")) == len(held_key("a", "1", "1", "2", "d").split("/"))
        assert digest_of_key(inbox_key(resource.origin, resource.study, "1", "2", "d")) == "d"
        manifest_key(resource.origin, resource.study)
    for name in names:
        written = segment(name)
        assert written not in {"", ".", ".."}
        assert "/" not in written
        assert len(written) <= 200
        if not any("\ud800" <= character <= "\udfff" for character in name):  # NATS' names are texts
            _check_token(subjects.token(name))


def _check_token(token: str) -> None:
    assert token
    assert not _MEANS_SOMETHING & set(token), "a token of a subject that means more"


def seeds() -> Iterable[bytes]:
    """What there is, and what some try."""
    yield b"pacs/1.2.3/1.2.4/1.2.5/00400275/1/00401001"
    yield b"pacs/1.2.3"
    yield b"all/../..%2F..%2Fetc/%2e%2e"
    yield b"pacs/1.2.3%00/1.2.>/*/7FE00010"
    yield "päcs/1.2.3/%ED%A0%80/%FF".encode()
    yield b"a" * 63 + b"/" + b"1" * 128 + b"/" + b"2" * 129
