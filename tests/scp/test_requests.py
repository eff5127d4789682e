"""Requests for an association that are none: an A-ABORT at once, and nothing of them stays."""

import asyncio
import struct
import threading

import pytest

from isthmus.scp.worker import Server
from tests.peers import eventually
from tests.scp.modality import CT
from tests.scp.test_listener import connected, echo
from tests.scp.wire import IMPLICIT, VERIFICATION, associate, item, read

NAME, SYNTAX = item(0x30, CT.encode()), item(0x40, IMPLICIT.encode())


def context(number: int, *parts: bytes) -> bytes:
    return item(0x20, bytes((number, 0, 0, 0)) + b"".join(parts))


def requests() -> dict[str, bytes]:
    good = associate(contexts=[(1, VERIFICATION, IMPLICIT)])
    known = context(1, item(0x30, VERIFICATION.encode()), SYNTAX)
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3"))
    assert good.endswith(known + user)
    fixed = good[6 : -len(known + user)]

    def request(proposed: bytes, information: bytes = user) -> bytes:
        body = fixed + proposed + information
        return struct.pack(">BBL", 1, 0, len(body)) + body

    return {
        "an even presentation context": request(context(2, NAME, SYNTAX)),
        "presentation context 0": request(context(0, NAME, SYNTAX)),
        "a presentation context without a transfer syntax": request(context(1, NAME)),
        "a presentation context without an abstract syntax": request(context(1, SYNTAX)),
        "an empty transfer syntax": request(context(1, NAME, item(0x40, b""))),
        "a transfer syntax that is too long": request(context(1, NAME, item(0x40, b"1." + b"2" * 100))),
        "no ASCII": request(context(1, item(0x30, b"1.2.\xe4"), SYNTAX)),
        "an item that nobody knows": request(known + item(0x77, b"abc")),
        "an item that is cut off": request(known, b"\x50\0\xff\xff\x51"),
        "no user information": request(known, item(0x50, item(0x58, b"\x09\1\0\xff" + b"abc"))),
    }


async def test_it_is_aborted_at_once_and_leaves_neither_slot_nor_thread(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(sent: bytes) -> bytes:
        with connected(server, sent) as connection:
            return read(connection)[:1]

    await echo(server)
    before = threading.active_count()
    cases = requests()
    given = {what: await asyncio.to_thread(run, sent) for what, sent in cases.items()}
    assert given == dict.fromkeys(cases, b"\x07")
    assert await asyncio.to_thread(eventually, lambda: server.associations == 0)
    assert threading.active_count() <= before + 1  # of asyncio's own pool
    await echo(server)
    assert "Traceback (most recent call last)" not in capfd.readouterr().err
