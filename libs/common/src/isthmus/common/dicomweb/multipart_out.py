"""Writing multipart/related (RFC 2387, RFC 2046 5.1; PS3.18 8.6.1.2.1)."""

import secrets
from collections.abc import Iterable
from typing import Final

_CRLF: Final = b"\r\n"


class MultipartWriter:
    """Writes what stands between the contents of the parts.

    The closing delimiter comes only from `close`, so that a body that is broken off never looks complete.
    """

    def __init__(self, part_type: str) -> None:
        """Choose a random boundary.

        Args:
            part_type: The media type of the parts, for the `type` parameter.
        """
        self.boundary: Final = secrets.token_hex(16)
        self.content_type: Final = f'multipart/related; type="{part_type}"; boundary={self.boundary}'
        self._between = b""

    def part(
        self,
        content_type: str,
        *,
        transfer_syntax: str | None = None,
        length: int | None = None,
        location: str | None = None,
    ) -> bytes:
        """Give the delimiter and the headers that go before the content of a part.

        Args:
            content_type: The media type of this part.
            transfer_syntax: Its Transfer Syntax UID (PS3.18 8.7.3.5.2).
            length: The number of bytes of its content.
            location: Its URL, for Content-Location.

        Raises:
            ValueError: A value has characters that cannot be in a header.
        """
        if transfer_syntax is not None:
            content_type = f"{content_type}; transfer-syntax={transfer_syntax}"
        headers = {"Content-Type": content_type}
        if length is not None:
            headers["Content-Length"] = str(length)
        if location is not None:
            headers["Content-Location"] = location
        lines = [f"--{self.boundary}", *(f"{name}: {_checked(value)}" for name, value in headers.items())]
        between, self._between = self._between, _CRLF
        return between + "\r\n".join([*lines, "", ""]).encode("ascii")

    def close(self) -> bytes:
        """Give the closing delimiter; only for a body to which nothing is missing."""
        return self._between + f"--{self.boundary}--\r\n".encode("ascii")


def multipart_length(part_type: str, parts: Iterable[tuple[str | None, int]]) -> int:
    """Count the bytes of a body before it is written, for Content-Length.

    Args:
        part_type: The media type of the parts.
        parts: The Transfer Syntax UID of each, where its headers have it, and the number of bytes of its
            content; one part at least.
    """
    total = len(MultipartWriter(part_type).close())
    heads: dict[str | None, int] = {}
    for syntax, length in parts:
        if syntax not in heads:
            head = MultipartWriter(part_type).part(part_type, transfer_syntax=syntax, length=0)
            heads[syntax] = len(head) - len("0") + len(_CRLF)
        total += heads[syntax] + len(str(length)) + length
    return total


def _checked(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("the value of a part's header is not printable ASCII")
    return value
