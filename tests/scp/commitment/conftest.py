"""An inbox whose requests for commitment are looked at soon."""

import hashlib

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox, Protocol, Settings
from isthmus.common.dicom.part10 import Identity
from isthmus.common.inbox.deposit import Deposits, Incoming
from isthmus.common.service import Parts
from isthmus.scp.commitment import committer, report
from tests.scp.commitment.asking import EXPLICIT, Deposit
from tests.scp.modality import (
    CT,
    with_callers,
)


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return Inbox(name=origin_name, protocol=Protocol.INBOX, ae_title="INBOX")


@pytest.fixture
def parts(bus: Bus, blobs: BlobStore, inbox: Inbox) -> Parts:
    return with_callers(Parts(Settings(), bus, blobs), inbox)


@pytest.fixture
def deposit(bus: Bus, blobs: BlobStore, inbox: Inbox) -> Deposit:
    """Put an instance into the inbox, as a C-STORE does, and give the key of its blob."""
    deposits = Deposits(bus, blobs, "http://gateway:8080")

    async def run(instance: str) -> str:
        data = instance.encode()
        keys: list[str] = []

        async def write(key: str) -> None:
            keys.append(key)
            await blobs.put(key, data)

        identity = Identity("1.2.3", "1.2.3.9", instance, CT)
        digest = hashlib.sha256(data).hexdigest()
        await deposits.deposit(inbox, Incoming(identity, EXPLICIT, digest, len(data), {}), write)
        return keys[0]

    return run


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again sooner, and try again sooner."""
    monkeypatch.setattr(committer, "LOOKS", (0.0, 0.05, 0.05))
    monkeypatch.setattr(committer, "FIRST_DELAY", 0.2)
    monkeypatch.setattr(report, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(report, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(committer, "AWAY_SECONDS", 0.2)
