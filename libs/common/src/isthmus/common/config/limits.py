"""How much one request may be, how slowly it may come, and how many of them one client may have at a time."""

from typing import Annotated

from pydantic import Field

from isthmus.common.config.kinds import Seconds, Section

Bytes = Annotated[int, Field(ge=1, le=2**50)]
Clients = Annotated[int, Field(ge=1, le=100_000)]


class Limits(Section):
    """What one HTTP request may be, and one client may ask for at a time."""

    max_body_bytes: Bytes = 64 * 1024**3
    """Of a body; a larger one is 413."""
    max_parts: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """Of a body; more are 413."""
    max_part_headers: Annotated[int, Field(ge=1, le=1000)] = 32
    """Of a part; more are 400, for what follows cannot be read."""
    max_part_header_bytes: Annotated[int, Field(ge=128, le=1024**2)] = 8192
    """Of one header of a part; a longer one is 400."""
    max_metadata_bytes: Bytes = 32 * 1024**2
    """Of all metadata in one body, which are in memory until its end; more are 413."""
    max_headers: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Of a request; more are 431."""
    max_header_bytes: Annotated[int, Field(ge=4096, le=16 * 1024**2)] = 128 * 1024
    """Of the URL and all headers of a request; more are 431."""
    max_query_bytes: Annotated[int, Field(ge=256, le=16 * 1024**2)] = 32 * 1024
    """Of the query, as it is in the URL; more are 414."""
    max_frames: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """That one URL may list; more are 400."""
    header_seconds: Seconds = 10.0
    """From the first byte of a request to the end of its headers; then the connection is closed, with 408."""
    body_seconds: Seconds = 30.0
    """In which a body must go on by `min_body_bytes`, but for the time that we keep it waiting; else 408."""
    min_body_bytes: Annotated[int, Field(ge=1, le=1024**3)] = 16 * 1024
    """Of a body in each `body_seconds`: who is slower is not uploading, but holding a place."""
    max_requests_per_principal: Clients = 128
    """At one time, by one user, key, certificate or link, at all faces together; one more is 429."""
    max_requests_per_address: Clients = 256
    """Likewise, from one IP address, whoever asks; of IPv6 from one network of 64 bits."""
