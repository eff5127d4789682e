"""A data set as P-DATA-TF PDUs (PS3.8 9.3.5), several of them in one piece for the socket.

pynetdicom takes them one by one from the thread that sends to the one that writes, which took a third of the
time of a C-STORE where the peer wants PDUs of 16 KiB and the processors are busy.
"""

from collections.abc import Iterator
from io import BytesIO
from struct import Struct
from typing import Final, Protocol

_HEAD: Final = Struct(">BxLLBB")
"""Type and length of the PDU; length and context id of its only PDV, and its message control header."""
_P_DATA_TF: Final = 0x04
_MORE: Final = 0x00
_LAST: Final = 0x02


class Readable(Protocol):
    """What a data set is read from."""

    def read(self, size: int, /) -> bytes:
        """Give the next bytes, so many at most; none at the end."""
        ...


def data_set_pdus(data: Readable, context_id: int, size: int, run_bytes: int) -> Iterator[bytes]:
    """Give the PDUs of a data set, as many in one piece as fit into `run_bytes`, one at least.

    A data set of odd length, as deflated and truncated ones may have, gets one NUL behind it, as PS3.5 A.5
    says for the deflated: DCMTK aborts at a fragment of odd length.

    Args:
        data: read from where it stands to its end.
        context_id: of the presentation context.
        size: how much of the data set fits into a PDU.
        run_bytes: how much of the data set a piece has, roughly.
    """
    size -= size % 2
    length = max(1, run_bytes // size) * size
    run = _read(data, length)
    while following := _read(data, length):
        yield _encoded(run, context_id, size, _MORE)
        run = following
    yield _encoded(run + b"\0" * (len(run) % 2), context_id, size, _LAST)


def _encoded(run: bytes, context_id: int, size: int, last: int) -> bytes:
    pieces: list[bytes | memoryview] = []
    view = memoryview(run)
    for start in range(0, len(run) or 1, size):
        fragment = view[start : start + size]
        control = last if start + size >= len(run) else _MORE
        # A length counts what is behind it: of the PDV the context id and the control header too.
        pdv = len(fragment) + 2
        pieces += (_HEAD.pack(_P_DATA_TF, pdv + 4, pdv, context_id, control), fragment)
    return b"".join(pieces)


def _read(data: Readable, size: int) -> bytes:
    """Read exactly `size` bytes, fewer only at the end, from whatever may give less at a time."""
    chunk = data.read(size)
    if len(chunk) in (0, size):
        return chunk
    whole = BytesIO()
    while chunk:
        whole.write(chunk)
        chunk = data.read(size - whole.tell())
    return whole.getvalue()
