"""The face in front of an inbox, destinations, and clients of either operation."""

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from tests.peers import Peer
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
from tests.scp.move.receiver import Receiver
from tests.scp.retrieving.client import Answer, move
from tests.scp.retrieving.getter import Getter

__all__ = [
    "Ask",
    "_receiver",
    "ask",
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

Ask = Callable[[Peer, Dataset], Answer]


@pytest.fixture(params=["C-MOVE", "C-GET"])
def ask(request: pytest.FixtureRequest, receiver: Receiver) -> Ask:
    """A client that asks by one or the other; it blocks."""
    if request.param == "C-MOVE":
        return lambda called, wanted: move(called, receiver.peer.ae_title, wanted)
    return Getter().get
