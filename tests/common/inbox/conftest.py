"""An inbox, and the way into it."""

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Protocol
from isthmus.common.inbox.deposit import Deposited, Deposits
from tests.common.inbox.depositing import Send, incoming


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return Inbox(name=origin_name, protocol=Protocol.INBOX, ae_title="INBOX")


@pytest.fixture
def deposits(bus: Bus, blobs: BlobStore) -> Deposits:
    return Deposits(bus, blobs, "http://gateway:8080")


@pytest.fixture
def send(deposits: Deposits, blobs: BlobStore) -> Send:
    async def run(inbox: Inbox, data: bytes, instance: str = "1.2.3.4") -> Deposited:
        return await deposits.deposit(inbox, incoming(data, instance), lambda key: blobs.put(key, data))

    return run
