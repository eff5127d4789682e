"""Conditional requests (RFC 9110 13): what a client has already is not sent again.

A representation has an entity tag where all that it depends on is known before it is made. There are no dates
of modification: a PACS does not tell them.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

_OF_THE_GATEWAY: Final = "-gzip"
"""It marks the tags of what it compresses so, and takes the mark off again where there is one tag only."""
_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


@dataclass(frozen=True, slots=True)
class ETag:
    """An entity tag (RFC 9110 8.8.3)."""

    opaque: str
    weak: bool = False
    """The content is the same, but not byte for byte: the boundary of a multipart body is random."""

    def __str__(self) -> str:
        """Give it as a header has it."""
        return f'{"W/" if self.weak else ""}"{self.opaque}"'


def etag_of(*parts: str, weak: bool = False) -> ETag:
    """Name a representation by all that it depends on.

    Args:
        parts: The key of the blob (it holds the digest of its bytes), the media type, the transfer syntax,
            the parameters, the version of what makes it; where it holds URLs, the URL of the service too.
        weak: Whether its bytes may differ from one time to the next.
    """
    lengths = (f"{len(part)}:{part}" for part in parts)
    return ETag(hashlib.sha256("".join(lengths).encode()).hexdigest()[:32], weak)


def is_unchanged(request: Request, etag: ETag) -> bool:
    """Tell whether the client has the representation already, by If-None-Match (RFC 9110 13.1.2).

    To be asked before anything costly is done; answer with `streamed.unchanged` then.
    """
    header = ",".join(request.headers.getlist("if-none-match"))
    tags = (found[2].removesuffix(_OF_THE_GATEWAY) for found in _TAG.finditer(header))
    return header.strip() == "*" or etag.opaque in tags


def range_applies(request: Request, etag: ETag | None) -> bool:
    """Tell whether If-Range lets a range be sent (RFC 9110 13.1.5): only of the very same bytes."""
    header = request.headers.get("if-range")
    return header is None or (etag is not None and not etag.weak and header.strip() == str(etag))
