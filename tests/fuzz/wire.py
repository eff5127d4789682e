"""PDUs and command sets as bytes, also such as no toolkit would write (PS3.8 9.3, PS3.7 9.3)."""

import struct
from collections.abc import Sequence
from typing import Final

VERIFICATION: Final = "1.2.840.10008.1.1"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
STUDY_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
COMMITMENT: Final = "1.2.840.10008.1.20.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
CONTEXTS: Final = (VERIFICATION, CT, STUDY_FIND, STUDY_MOVE, STUDY_GET, COMMITMENT)
"""The SOP classes of `associate`, on the presentation contexts 1, 3, 5..."""
NO_DATA_SET: Final = 0x0101
_NUMBERS: Final = {"H": b"US", "L": b"UL"}


def item(kind: int, value: bytes) -> bytes:
    """Give an item of an A-ASSOCIATE-RQ."""
    return struct.pack(">BBH", kind, 0, len(value)) + value


def pdu(kind: int, body: bytes) -> bytes:
    """Give a PDU."""
    return struct.pack(">BBL", kind, 0, len(body)) + body


def associate(
    called: str = "INBOX", calling: str = "FUZZ", classes: Sequence[str] = CONTEXTS, user: bytes = b""
) -> bytes:
    """Give an A-ASSOCIATE-RQ; `user` is behind the User Information that there must be."""
    proposed = b"".join(
        item(
            0x20, bytes((2 * place + 1, 0, 0, 0)) + item(0x30, name.encode()) + item(0x40, IMPLICIT.encode())
        )
        for place, name in enumerate(classes)
    )
    information = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3") + user)
    titles = called.encode().ljust(16) + calling.encode().ljust(16)
    fixed = struct.pack(">HH", 1, 0) + titles + bytes(32)
    return pdu(1, fixed + item(0x10, b"1.2.840.10008.3.1.1.1") + proposed + information)


def command(*elements: tuple[int, int | str]) -> bytes:
    """Give a command set of these elements of group 0000: numbers of 16 bits, and texts."""
    body = b"".join(_element(number, value) for number, value in elements)
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def _element(number: int, value: int | str) -> bytes:
    raw = struct.pack("<H", value) if isinstance(value, int) else value.encode()
    raw += b"\0" * (len(raw) % 2)
    return struct.pack("<HHL", 0, number, len(raw)) + raw


def request(field: int, sop_class_uid: str, *others: tuple[int, int | str], data_set: bool = False) -> bytes:
    """Give the command set of a request."""
    has = 0 if data_set else NO_DATA_SET
    return command((0x0002, sop_class_uid), (0x0100, field), (0x0110, 1), (0x0700, 0), (0x0800, has), *others)


def p_data(*fragments: tuple[int, int, bytes]) -> bytes:
    """Give a P-DATA-TF PDU of fragments: the context, the message control header, what is behind it."""
    return pdu(
        4,
        b"".join(
            struct.pack(">LBB", len(data) + 2, context, control) + data
            for context, control, data in fragments
        ),
    )
