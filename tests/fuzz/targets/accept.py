"""Accept, its query parameter, Content-Type, and what is chosen by them (PS3.18 8.7)."""

from collections.abc import Iterable
from typing import Final

from isthmus.common.dicomweb.accept import Obtainable, negotiate, parse_accept
from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.dicomweb.transactions import TRANSACTIONS
from isthmus.common.errors import InvalidParameter, NotAcceptable
from tests.fuzz.refusals import refusing

WORDS: Final = (
    b'multipart/related; type="application/dicom"',
    b"transfer-syntax=*",
    b"transfer-syntax=1.2.840.10008.1.2.4.50",
    b"application/dicom+json",
    b"image/jpeg",
    b"q=0.5",
    b"*/*",
)
_OFFERED: Final = list(dict.fromkeys(each.offers for each in TRANSACTIONS if each.offers))
_HELD: Final = Obtainable("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1")


def target(data: bytes) -> None:
    """Read both as a server has them: the header in latin-1, the query decoded; then choose."""
    header, _, query = data.partition(b"\0")
    with refusing(InvalidParameter):
        MediaType.parse(header.decode("latin-1"))
    with refusing(InvalidParameter, NotAcceptable):
        ranges = parse_accept(header.decode("latin-1"), query.decode("utf-8", "replace"))
        offers = _OFFERED[len(data) % len(_OFFERED)]
        negotiate(ranges, offers).syntaxes(_HELD)
        negotiate(ranges, offers, obtainable=_HELD)


def seeds() -> Iterable[bytes]:
    """What clients send."""
    yield b"*/*"
    yield b"*; q=.2, */*; q=.2"
    yield b'multipart/related; type="application/dicom"; transfer-syntax=*\0application/dicom+json'
    yield b"multipart/related;type=application/dicom;boundary=x, application/dicom+json;q=0.9"
    yield b'multipart/related; type="image/\\"jpeg"; q=1.000,, ,image/*;q=0'
    yield b"\0image/png,image/jpeg;q=0.1"
