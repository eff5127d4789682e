"""The DIMSE face on a free port, over a real NATS and S3, and a PACS that sends to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from io import BytesIO

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import DimseOrigin, Inbox, ListenAddress, Settings
from isthmus.common.config.access import Access
from isthmus.common.config.origins import Protocol
from isthmus.common.config.settings import Scp
from isthmus.common.dimse import VERIFICATION, Association, Context, Peer, StoreResult
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
PACS = "PACS"
TWINS = "TWINS"
INBOX = "INBOX"
ANY_PORT = ListenAddress("127.0.0.1:0")


@dataclass(frozen=True)
class Sending:
    """What a PACS sends."""

    data: bytes
    sop_instance_uid: str = "1.2.3.4"
    sop_class_uid: str = CT
    transfer_syntax_uid: str = EXPLICIT


@pytest.fixture
def origins(origin_name: str) -> tuple[DimseOrigin, ...]:
    """One origin with an AE title of its own, and two that share one."""
    return (
        DimseOrigin(name=origin_name, ae_title=PACS, port=104),
        DimseOrigin(name=f"{origin_name}-a", ae_title=TWINS, port=104),
        DimseOrigin(name=f"{origin_name}-b", ae_title=TWINS, port=104),
    )


@pytest.fixture
def inbox(origin_name: str) -> Inbox:
    return Inbox(name=f"{origin_name}-in", protocol=Protocol.INBOX, ae_title=INBOX)


@pytest.fixture
async def parts(
    bus: Bus, blobs: BlobStore, origins: tuple[DimseOrigin, ...], inbox: Inbox
) -> AsyncIterator[Parts]:
    made = Parts(Settings(scp=Scp(listen=ANY_PORT), origins=(*origins, inbox)), bus, blobs)
    async with made.closing:
        yield made


@pytest.fixture
async def server(parts: Parts) -> AsyncIterator[Server]:
    async with serving(parts) as running:
        yield running


def peer(server: Server, calling: str = PACS, called: str = "ISTHMUS") -> Peer:
    return Peer("scp", "127.0.0.1", server.port, called, calling, 20.0)


def echo_at(to: Peer) -> None:
    """Associate, and have a C-ECHO answered; in a thread."""
    association = Association.open(to, [VERIFICATION])
    try:
        association.echo()
    finally:
        association.release()


async def send(
    server: Server, *sending: Sending, calling: str = PACS, called: str = "ISTHMUS"
) -> list[StoreResult]:
    """Send over one association, and give what was answered."""
    contexts = [
        Context(name, (syntax,))
        for name, syntax in dict.fromkeys((one.sop_class_uid, one.transfer_syntax_uid) for one in sending)
    ]

    def run() -> list[StoreResult]:
        association = Association.open(peer(server, calling, called), contexts)
        try:
            return [
                association.store(
                    BytesIO(one.data),
                    sop_class_uid=one.sop_class_uid,
                    sop_instance_uid=one.sop_instance_uid,
                    transfer_syntax_uid=one.transfer_syntax_uid,
                )
                for one in sending
            ]
        finally:
            association.release()

    return await asyncio.to_thread(run)


def with_scp(parts: Parts, **settings: object) -> Parts:
    """Give the same with other settings of scp."""
    scp = Scp.model_validate({"listen": ANY_PORT, **settings})
    return replace(parts, settings=parts.settings.model_copy(update={"scp": scp}))


def with_rules(parts: Parts, *rules: dict[str, object], **access: object) -> Parts:
    """Give the same where only what these rules say may be done."""
    settings = Access.model_validate({"rules": rules, **access})
    return replace(parts, settings=parts.settings.model_copy(update={"access": settings}))


async def keys(blobs: BlobStore, origin: str) -> list[str]:
    return [blob.key async for blob in blobs.list(f"held/{origin}")]


@pytest.fixture
def dataset() -> Callable[..., bytes]:
    """Make data sets in Explicit VR Little Endian."""

    def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
        value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
        return (
            group.to_bytes(2, "little")
            + number.to_bytes(2, "little")
            + vr
            + len(value).to_bytes(2, "little")
            + value
        )

    def make(
        study: str = "1.2.3", instance: str = "1.2.3.4", series: str = "1.2.3.9", name: bytes = b""
    ) -> bytes:
        return b"".join(
            element(group, number, vr, value)
            for group, number, vr, value in (
                (0x0008, 0x0016, b"UI", CT.encode()),
                (0x0008, 0x0018, b"UI", instance.encode()),
                (0x0010, 0x0010, b"PN", b"Nobody^" + name),
                (0x0020, 0x000D, b"UI", study.encode()),
                (0x0020, 0x000E, b"UI", series.encode()),
            )
            if value
        )

    return make
