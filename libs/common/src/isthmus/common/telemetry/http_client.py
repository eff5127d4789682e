"""What a span says of a request that we send, by OpenTelemetry's semantic conventions for HTTP.

The URL stays out, because it holds UIDs and matching keys: whom we ask is told.
"""

from typing import Final
from urllib.parse import urlsplit

from isthmus.common.telemetry.attributes import (
    HTTP_REQUEST_METHOD,
    SERVER_ADDRESS,
    SERVER_PORT,
    URL_SCHEME,
)
from isthmus.common.telemetry.spans import AttributeValue

_PORTS: Final = {"http": 80, "https": 443}


def request_attributes(method: str, url: str) -> dict[str, AttributeValue]:
    """Give the attributes of a request to a URL of the settings."""
    parts = urlsplit(url)
    return {
        HTTP_REQUEST_METHOD: method,
        URL_SCHEME: parts.scheme,
        SERVER_ADDRESS: parts.hostname or "",
        SERVER_PORT: parts.port or _PORTS.get(parts.scheme, 0),
    }
