"""The export of audit records over syslog, by TCP and TLS, while the server is away and back."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.arrivals.audit_export import audit_export
from isthmus.arrivals.audit_export.serve import CONSUMER
from isthmus.arrivals.audit_export.syslog import SyslogAway, SyslogConnection, frame
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.bus.audit import audit, keep_for, now
from isthmus.common.bus.streams import AUDIT, AUDIT_SECONDS
from isthmus.common.config import Settings
from isthmus.common.config.audit import Audit, Syslog
from isthmus.common.messages.audit import AuditEvent, AuditRecord, Outcome
from isthmus.common.service import Parts
from tests.arrivals.syslog_server import SyslogServer, about
from tests.certificates import Authority, Identity
from tests.measured import measured
from tests.waiting import until

SOON = 0.02


@pytest.fixture
async def server(bus: Bus) -> AsyncIterator[SyslogServer]:
    """A server that has been told of nothing yet; each test's export begins with what it writes."""
    await bus.jetstream.delete_stream(AUDIT)
    await bus.declare()
    async with SyslogServer() as running:
        yield running


def parts_of(bus: Bus, blobs: BlobStore, **settings: object) -> Parts:
    syslog = Syslog.model_validate({"host": "127.0.0.1", "timeout_seconds": 5.0, **settings})
    return Parts(Settings(audit=Audit(source="hospital", syslog=syslog)), bus, blobs)


async def write(bus: Bus, resource: str) -> None:
    known = {"service": "qido", "action": "GET", "outcome": Outcome.ACCEPTED, "event": AuditEvent.QUERY}
    await audit(bus, AuditRecord(time=now(), resource=resource, patients=("P-17",), **known))  # type: ignore[arg-type]  # as typed there


async def test_each_record_is_told_once_and_in_order(
    bus: Bus, blobs: BlobStore, server: SyslogServer
) -> None:
    names = [f"/{number}" for number in range(250)]
    before = measured("isthmus_audit_exported_total") or 0
    async with audit_export(parts_of(bus, blobs, port=server.port, tls=False), SOON):
        for name in names:
            await write(bus, name)
        taken = await server.has(*names)
        await until(
            lambda: asyncio.sleep(0, measured("isthmus_audit_exported_total") or 0),
            lambda exported: exported - before >= len(names),
        )
    assert [about(one) for one in taken] == names
    assert {(one.priority, one.message_id, one.application) for one in taken} == {
        (85, "DICOM+RFC3881", "isthmus")
    }
    assert all(one.time.endswith("Z") for one in taken)
    assert server.malformed == []


async def test_what_happens_while_the_server_is_away_is_told_when_it_is_back(
    bus: Bus, blobs: BlobStore, server: SyslogServer
) -> None:
    async with audit_export(parts_of(bus, blobs, port=server.port, tls=False), SOON):
        await write(bus, "/before")
        await server.has("/before")
        await server.close()
        for number in range(3):
            await write(bus, f"/away/{number}")
        await server.listen()
        taken = await server.has("/before", "/away/0", "/away/1", "/away/2")
    assert list(dict.fromkeys(about(one) for one in taken)) == ["/before", "/away/0", "/away/1", "/away/2"]


async def test_and_what_happens_while_we_are_away(bus: Bus, blobs: BlobStore, server: SyslogServer) -> None:
    parts = parts_of(bus, blobs, port=server.port, tls=False)

    async def waiting() -> int:
        info = await bus.jetstream.consumer_info(AUDIT, CONSUMER)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async with audit_export(parts, SOON):
        await write(bus, "/first")
        await server.has("/first")
        await until(waiting, lambda left: not left)
    await write(bus, "/meanwhile")
    async with audit_export(parts, SOON):
        await write(bus, "/last")
        await server.has("/last")
    assert [about(one) for one in server.taken] == ["/first", "/meanwhile", "/last"]


def over_tls(identity: Identity, authority: Authority) -> ssl.SSLContext:
    """Who shows no certificate of the authority gets no further."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    context.load_cert_chain(identity.certificate, identity.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_over_tls_both_show_their_certificates(
    bus: Bus, blobs: BlobStore, server: SyslogServer, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    ours = authority.signs("isthmus")
    async with SyslogServer(over_tls(authority.signs("syslog"), authority)) as secure:
        parts = parts_of(
            bus,
            blobs,
            port=secure.port,
            ca_file=authority.certificate,
            certificate_file=ours.certificate,
            key_file=ours.key,
        )
        async with audit_export(parts, SOON):
            await write(bus, "/secret")
            await secure.has("/secret")
            await secure.close()
            await write(bus, "/again")
            await secure.listen()
            await secure.has("/again")


async def test_a_server_with_a_certificate_of_somebody_else_is_told_nothing(
    bus: Bus, blobs: BlobStore, tmp_path: Path
) -> None:
    authority, other = Authority(tmp_path / "a"), Authority(tmp_path / "b", "other")
    async with SyslogServer(over_tls(other.signs("syslog"), other)) as secure:
        settings = Syslog(host="127.0.0.1", port=secure.port, ca_file=authority.certificate)
        with pytest.raises(SyslogAway, match="certificate verify failed"):
            await SyslogConnection(settings, "isthmus").send([(now(), b"<AuditMessage/>")])
        assert secure.taken == []


async def test_why_a_server_is_away_is_said(tmp_path: Path) -> None:
    async with SyslogServer() as server:
        port = server.port
    plain = Syslog(host="127.0.0.1", port=port, tls=False)
    with pytest.raises(SyslogAway, match=r"Connect call failed|refused"):
        await SyslogConnection(plain, "isthmus").send([(now(), b"<AuditMessage/>")])
    no_file = Syslog(host="127.0.0.1", port=port, ca_file=tmp_path / "none.pem")
    with pytest.raises(SyslogAway, match=r"none\.pem: No such file"):
        await SyslogConnection(no_file, "isthmus").send([(now(), b"<AuditMessage/>")])


def test_a_frame_has_its_length_and_what_rfc_5424_wants() -> None:
    written = frame("2026-01-02T03:04:05.678Z", "<Ä/>".encode(), "a host", "isthmus", 7)
    length, _, rest = written.partition(b" ")
    assert int(length) == len(rest)
    assert rest == (
        b"<85>1 2026-01-02T03:04:05.678Z a_host isthmus 7 DICOM+RFC3881 - \xef\xbb\xbf<\xc3\x84/>"
    )


async def test_records_are_kept_as_long_as_the_settings_say(bus: Bus, blobs: BlobStore) -> None:
    async def seconds() -> float:
        return (await bus.jetstream.stream_info(AUDIT)).config.max_age or 0

    async with audit_export(Parts(Settings(audit=Audit(keep_days=400)), bus, blobs)):
        await until(seconds, lambda age: age == 400 * 86_400)
    await bus.declare()  # as any service does that starts
    assert await seconds() == 400 * 86_400
    await keep_for(bus, AUDIT_SECONDS / 86_400)
    assert await seconds() == AUDIT_SECONDS
