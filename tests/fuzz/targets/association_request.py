"""A-ASSOCIATE-RQ (PS3.8 9.3.2): what the listener makes of it, and what pynetdicom is given then."""

import socket
from collections.abc import Iterable
from typing import Final

from pynetdicom.pdu import A_ASSOCIATE_RQ

from isthmus.scp.greeting import Greeting, Heard
from tests.fuzz.refusals import refusing
from tests.fuzz.wire import associate, item, pdu

_OTHER_END: Final = ("127.0.0.1", 11112)
_SECONDS: Final = 10.0
WORDS: Final = (b"1.2.840.10008.3.1.1.1", b"\x10\0\0\x15", b"\x20\0\0\x2e", b"\x50\0\0\x3a", b"\x58\0\0\x08")


def target(data: bytes) -> None:
    """Hear it in pieces, and decide; then decode what pynetdicom gets, which may fail as it likes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        greeting = Greeting(ours, _OTHER_END, _SECONDS)
        heard = Heard.NOT_ENOUGH
        for start in range(0, len(data), 1000):
            theirs.sendall(data[start : start + 1000])
            heard = greeting.read()
            if heard is not Heard.NOT_ENOUGH:
                break
        if heard is not Heard.REQUEST:
            return
        calling = greeting.calling
        if greeting.take_version():
            greeting.write(calling)
        for title in (calling.calling_ae_title, calling.called_ae_title):
            assert title.isascii()
            assert len(title) <= 16
            assert not title or title.isprintable()
            assert not set(title) & set("\\\r\n\0")
        request = bytes(greeting.received)
        with refusing(Exception):  # the thread of the association ends it: see `upper_layer`
            decoded = A_ASSOCIATE_RQ()
            decoded.decode(request)
            decoded.to_primitive()


def seeds() -> Iterable[bytes]:
    """Requests, good and bad."""
    yield associate()
    yield associate(called="A\\B", calling="")
    yield associate(user=item(0x58, b"\x02\x01\0\x04user\0\x04pass"))
    yield associate(user=item(0x54, b"\0\x111.2.840.10008.1.1\0\x01") + item(0x53, b"\0\x01\0\x01"))
    yield associate(user=item(0x56, b"\0\x111.2.840.10008.1.1\x01\x01\x01"))
    yield associate(user=item(0x55, b"X" * 17) + item(0x52, b"1.2.3"))
    yield pdu(1, bytes(68))
    yield pdu(4, bytes(20))
    yield b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    yield b"\x16\x03\x01\x02\0\x01\0"
