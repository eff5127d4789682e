"""DICOM user identity (PS3.7 D.3.3.7): who shows what, and what becomes of the association."""

import asyncio
import logging
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from isthmus.common.access.key_store import KeyRing
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Inbox
from isthmus.common.service import Parts
from isthmus.scp.worker import Server, serving
from tests import idp
from tests.planted import plant, secret
from tests.scp.conftest import INBOX, with_rules
from tests.scp.stream import audited
from tests.scp.wire import associate, item, read

Dataset = Callable[..., bytes]

USER_NAME, PASSCODE, KERBEROS, SAML, JWT = 1, 2, 3, 4, 5
ACCEPTED, ABORTED = b"\x02", b"\x07"
NOT_VERIFIED, NOT_NOW = bytes((1, 2, 1)), bytes((2, 2, 1))
"""Rejected for good, or for now, by the ACSE, without a reason (PS3.8 Table 9-21)."""
CALLING, CALLED = bytes((1, 1, 3)), bytes((1, 1, 7))
POSITIVE_RESPONSE = item(0x59, struct.pack(">H", 0))


def identity(kind: int, primary: str | bytes, secondary: str = "", *, wants_response: bool = False) -> bytes:
    """A User Identity sub-item (PS3.7 Table D.3-14)."""
    first = primary.encode() if isinstance(primary, str) else primary
    second = secondary.encode()
    lengths = [struct.pack(">H", len(one)) + one for one in (first, second)]
    return item(0x58, bytes((kind, wants_response)) + b"".join(lengths))


async def asked(server: Server, user: bytes, calling: str = "EVIL", called: str = INBOX) -> bytes:
    """What comes in answer to a request; of a rejection its three reasons alone."""

    def run() -> bytes:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(associate(called, calling=calling, user=user))
            answer = read(connection)
        return answer[-3:] if answer[:1] == b"\x03" else answer

    return await asyncio.to_thread(run)


@pytest.fixture
async def key(bus: Bus, origin_name: str) -> AsyncIterator[str]:
    """An API key of the origin's name."""
    ring = KeyRing(bus)
    text = await ring.create(origin_name)
    assert text is not None
    yield plant(text)
    await ring.revoke(origin_name)


@asynccontextmanager
async def with_a_key(parts: Parts, origin_name: str) -> AsyncIterator[Server]:
    """A server where the key of an origin's name may store, and nobody else may anything."""
    async with serving(with_rules(parts, {"key": origin_name, "operations": ["store"]})) as server:
        yield server


async def test_a_key_opens_by_its_name_and_itself(parts: Parts, origin_name: str, key: str) -> None:
    async with with_a_key(parts, origin_name) as server:
        answer = await asked(server, identity(PASSCODE, origin_name, key))
        assert answer[:1] == ACCEPTED
        assert POSITIVE_RESPONSE not in answer  # nobody wants it
        answer = await asked(server, identity(PASSCODE, origin_name, key, wants_response=True))
        assert answer[:1] == ACCEPTED
        assert POSITIVE_RESPONSE in answer


async def test_what_is_wrong_is_rejected_for_good_and_recorded(
    parts: Parts, bus: Bus, origin_name: str, key: str
) -> None:
    calling = f"CT{origin_name[-12:].upper()}"
    wrong = {
        identity(PASSCODE, origin_name, another_one_of(key)): "There is no such key, or it was revoked",
        identity(PASSCODE, "another", key): "There is no such key, or it was revoked",
        identity(PASSCODE, origin_name, ""): "The key is cut, or none of ours",
        identity(PASSCODE, b"\xff\xfe", key): "It is no UTF-8",
        identity(KERBEROS, secret("ticket")): "Nobody here can verify its type, 3",
        identity(SAML, secret("assertion")): "Nobody here can verify its type, 4",
        identity(JWT, secret("token")): "The token is no signed JWT",
    }
    async with with_a_key(parts, origin_name) as server:
        for one in wrong:
            assert await asked(server, one, calling) == NOT_VERIFIED
    records = await audited(bus, "refused", calling, least=len(wrong))
    reasons = sorted(record.reason for record in records)
    assert reasons == sorted(f"User identity not verified: {why}" for why in wrong.values())


def another_one_of(key: str) -> str:
    """What has the form of a key, and the name of this one."""
    return plant(key[:-8] + ("A" if key[-8] != "A" else "B") * 8)


async def test_who_is_let_in_is_recorded_as_who_he_has_proved_to_be(
    parts: Parts, bus: Bus, origin_name: str, key: str
) -> None:
    calling = f"CT{origin_name[-12:].upper()}"
    async with with_a_key(parts, origin_name) as server:
        await asked(server, identity(PASSCODE, origin_name, key), calling)
    (record,) = await audited(bus, "accepted", calling, least=1)
    assert (record.action, record.who) == ("association", f"key:{origin_name}")


async def test_a_kind_of_identity_that_the_standard_does_not_know_lets_nobody_in(
    parts: Parts, origin_name: str
) -> None:
    async with with_a_key(parts, origin_name) as server:
        assert (await asked(server, identity(9, secret())))[:1] == ABORTED


@pytest.mark.parametrize("called", ["INBOX", "PACS", "ELSEWHERE", "ISTHMUS"])
async def test_a_wrong_key_hears_the_same_whatever_is_called(
    parts: Parts, inbox: Inbox, origin_name: str, called: str
) -> None:
    rule: dict[str, object] = {"key": origin_name, "operations": ["store"], "origins": [inbox.name]}
    async with serving(with_rules(parts, rule)) as server:
        wrong = identity(PASSCODE, origin_name, secret())
        assert await asked(server, wrong, called=called) == NOT_VERIFIED
        assert await asked(server, b"", called=called) == CALLING


async def test_without_an_identity_nobody_may_anything_there(parts: Parts, origin_name: str) -> None:
    async with with_a_key(parts, origin_name) as server:
        for user in (b"", identity(USER_NAME, origin_name, wants_response=True)):
            assert await asked(server, user) == CALLING


async def test_a_user_name_alone_gives_no_right_and_takes_none(parts: Parts) -> None:
    async with serving(with_rules(parts, {"ae_title": "CT1", "operations": ["store"]})) as server:
        answer = await asked(server, identity(USER_NAME, "alice", wants_response=True), "CT1")
    assert answer[:1] == ACCEPTED
    assert b"\x59\0" not in answer  # nobody has verified it


async def test_an_identity_is_needed_where_the_rules_name_it_alone(
    parts: Parts, inbox: Inbox, origin_name: str, key: str
) -> None:
    rules: list[dict[str, object]] = [
        {"ae_title": "CT1", "operations": ["store"], "origins": [inbox.name]},
        {"key": origin_name, "operations": ["search"], "origins": [parts.settings.origins[0].name]},
    ]
    async with serving(with_rules(parts, *rules)) as server:
        assert (await asked(server, b"", "CT1"))[:1] == ACCEPTED
        assert await asked(server, b"", "CT1", "PACS") == CALLED
        # The AE title counts beside it.
        known = identity(PASSCODE, origin_name, key)
        assert (await asked(server, known, "CT1"))[:1] == ACCEPTED
        assert (await asked(server, known, "CT1", "PACS"))[:1] == ACCEPTED
        assert await asked(server, known, "CT2") == CALLED


async def test_without_rules_nobody_is_asked_who_it_is(server: Server) -> None:
    for kind in (USER_NAME, PASSCODE, KERBEROS, SAML, JWT):
        answer = await asked(server, identity(kind, secret(), wants_response=True))
        assert answer[:1] == ACCEPTED
        assert b"\x59\0" not in answer


def with_tokens(parts: Parts, provider: idp.Idp) -> Parts:
    rule: dict[str, object] = {"claims": {"groups": ["radiology"]}, "operations": ["store"]}
    return with_rules(parts, rule, oidc=[provider.oidc()])


async def test_a_token_opens_by_its_claims(parts: Parts) -> None:
    async with idp.running() as provider:
        ours = with_tokens(parts, provider)
        async with serving(ours) as server:
            token = provider.token({"groups": ["radiology"]})
            answer = await asked(server, identity(JWT, token, wants_response=True))
            assert answer[:1] == ACCEPTED
            assert POSITIVE_RESPONSE in answer
            assert await asked(server, identity(JWT, provider.token({"groups": ["cooks"]}))) == CALLING
            expired = provider.token({"groups": ["radiology"]}, seconds=-3600)
            assert await asked(server, identity(JWT, expired)) == NOT_VERIFIED
            await provider.stop()
            # Who is known here is known to the HTTP of the service, too.
            assert (await ours.authenticator.authenticate_token(token, "")).name == "alice"


async def test_what_nobody_can_verify_now_is_rejected_for_now(
    parts: Parts, bus: Bus, origin_name: str
) -> None:
    calling = f"CT{origin_name[-12:].upper()}"
    async with idp.running() as provider:
        await provider.stop()
        async with serving(with_tokens(parts, provider)) as server:
            token = provider.token({"groups": ["radiology"]})
            assert await asked(server, identity(JWT, token), calling) == NOT_NOW
    (record,) = await audited(bus, "refused", calling, least=1)
    why = "New tokens cannot be judged: It cannot be asked: ConnectError"
    assert record.reason == f"User identity cannot be verified now: {why}"


async def test_others_are_let_in_while_a_provider_takes_its_time(parts: Parts) -> None:
    async with idp.running() as provider:
        provider.gate.clear()
        rules: list[dict[str, object]] = [
            {"ae_title": "CT1", "operations": ["store"]},
            {"user": "alice", "operations": ["store"]},
        ]
        async with serving(with_rules(parts, *rules, oidc=[provider.oidc()])) as server:
            waiting = asyncio.create_task(asked(server, identity(JWT, provider.token())))
            await provider.was_asked.wait()
            assert (await asked(server, b"", "CT1"))[:1] == ACCEPTED
            assert not waiting.done()
            provider.gate.set()
            assert (await waiting)[:1] == ACCEPTED


async def test_dcmtk_shows_a_key_or_a_token(
    parts: Parts, blobs: BlobStore, inbox: Inbox, dcm: Path, origin_name: str, key: str, tmp_path: Path
) -> None:
    async with idp.running() as provider:
        rules: list[dict[str, object]] = [
            {"key": origin_name, "operations": ["store"]},
            {"user": "alice", "operations": ["store"]},
        ]
        (tmp_path / "good").write_text(provider.token())
        (tmp_path / "bad").write_text(provider.token({"sub": "mallory"}))
        shown = {
            ("--user", origin_name, "--password", key): True,
            ("--user", origin_name, "--password", secret()): False,
            ("--jwt", str(tmp_path / "good")): True,
            ("--jwt", str(tmp_path / "bad")): False,
            ("--saml", str(tmp_path / "good")): False,
            ("--kerberos", str(tmp_path / "good")): False,
        }
        async with serving(with_rules(parts, *rules, oidc=[provider.oidc()])) as server:
            for options, is_let_in in shown.items():
                assert await stored(server, dcm, *options) == is_let_in, options[0]
    assert len([blob async for blob in blobs.list(f"inbox/{inbox.name}/")]) == 1


async def stored(server: Server, file: Path, *options: str) -> bool:
    command = [
        "storescu",
        *options,
        "--pos-response",
        "-aec",
        INBOX,
        "127.0.0.1",
        str(server.port),
        str(file),
    ]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=20, check=False)
    return done.returncode == 0


@pytest.fixture
def dcm(corpus: list[Path]) -> Path:
    return next(file for file in corpus if file.name == "CT_small.dcm")


async def test_what_is_shown_is_in_no_log(
    parts: Parts,
    origin_name: str,
    key: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="pynetdicom")
    wrong = secret()
    async with with_a_key(parts, origin_name) as server:
        await asked(server, identity(PASSCODE, origin_name, key))
        await asked(server, identity(PASSCODE, origin_name, wrong))
    said = capsys.readouterr().out
    assert "User identity not verified" in said
    for one in (key, wrong):
        assert one not in said + caplog.text
