"""The face in front of an inbox, and destinations."""

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
