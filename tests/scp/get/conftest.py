"""The face, asked by C-GET, in front of an inbox."""

from tests.scp.move.conftest import (
    _receiver,
    away,
    called,
    destinations,
    images,
    inbox,
    parts,
    receiver,
    server,
    uids,
)

__all__ = [
    "_receiver",
    "away",
    "called",
    "destinations",
    "images",
    "inbox",
    "parts",
    "receiver",
    "server",
    "uids",
]
