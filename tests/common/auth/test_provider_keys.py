"""The keys of an identity provider: when they are read, and what happens while it is away."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from isthmus.common.auth import provider_keys
from isthmus.common.auth.tokens import Tokens
from isthmus.common.errors import IdentityProviderAway, SettingsError, Unauthenticated
from tests.idp import Idp, key_of, knowing


async def test_keys_are_read_once_for_all_who_wait(idp: Idp) -> None:
    idp.gate.clear()
    async with knowing(idp) as known:
        asking = [asyncio.create_task(known.principal(idp.token({"sub": f"user{n}"}))) for n in range(20)]
        await idp.was_asked.wait()
        idp.gate.set()
        assert {one.name for one in await asyncio.gather(*asking)} == {f"user{n}" for n in range(20)}
    assert idp.times_read == 1


async def test_who_stops_waiting_takes_the_keys_from_nobody(idp: Idp) -> None:
    idp.gate.clear()
    async with knowing(idp) as known:
        first = asyncio.create_task(known.principal(idp.token()))
        other = asyncio.create_task(known.principal(idp.token({"sub": "bob"})))
        await idp.was_asked.wait()
        first.cancel()
        idp.gate.set()
        assert (await other).name == "bob"


async def test_a_new_key_is_read_at_once(idp: Idp, monkeypatch: pytest.MonkeyPatch) -> None:
    async with knowing(idp) as known:
        await known.principal(idp.token())
        idp.keys = [key_of("two")]
        monkeypatch.setattr(provider_keys, "AGAIN_SECONDS", 0.0)
        assert (await known.principal(idp.token({"sub": "bob"}))).name == "bob"
        assert idp.times_read == 2


async def test_garbage_has_the_keys_read_no_more_often_than_every_few_seconds(idp: Idp) -> None:
    async with knowing(idp) as known:
        await known.principal(idp.token())
        for number in range(50):
            with pytest.raises(Unauthenticated, match="does not have"):
                await known.principal(idp.token(header={"kid": f"garbage{number}"}))
    assert idp.times_read == 1


async def test_keys_are_read_anew_after_their_time_and_those_that_went_count_no_more(
    idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = idp.keys[0]
    async with knowing(idp, refresh_seconds=60) as known:
        await known.principal(idp.token())
        idp.keys = [key_of("two")]
        clock = time.monotonic()
        monkeypatch.setattr(provider_keys, "monotonic", lambda: clock + 61)
        with pytest.raises(Unauthenticated, match="does not have"):
            await known.principal(idp.token({"sub": "bob"}, key=gone))
    assert idp.times_read == 2


async def test_while_the_provider_is_away_known_tokens_go_on_and_new_ones_wait(
    idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with knowing(idp, refresh_seconds=60) as known:
        token = idp.token()
        await known.principal(token)
        await idp.stop()
        clock = time.monotonic()
        monkeypatch.setattr(provider_keys, "monotonic", lambda: clock + 61)
        assert (await known.principal(token)).name == "alice"
        with pytest.raises(IdentityProviderAway, match="New tokens cannot be judged: It cannot be asked"):
            await known.principal(idp.token({"sub": "bob"}))
        assert (await known.principal(token)).name == "alice"
        await idp.start()
        with pytest.raises(IdentityProviderAway):  # it is left alone for some seconds
            await known.principal(idp.token({"sub": "bob"}))
        monkeypatch.setattr(provider_keys, "monotonic", lambda: clock + 67)
        assert (await known.principal(idp.token({"sub": "bob"}))).name == "bob"


async def test_a_new_key_while_the_provider_is_away_is_not_taken_for_a_wrong_one(
    idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_keys, "AGAIN_SECONDS", 0.0)
    async with knowing(idp) as known:
        await known.principal(idp.token())
        await idp.stop()
        monkeypatch.setattr(provider_keys, "AGAIN_SECONDS", 60.0)
        clock = time.monotonic()
        monkeypatch.setattr(provider_keys, "monotonic", lambda: clock + 61)
        for _ in range(2):
            with pytest.raises(IdentityProviderAway):
                await known.principal(idp.token(key=key_of("two")))
        assert (await known.principal(idp.token({"sub": "bob"}))).name == "bob"  # by a key that is known


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"status": 500}, "It answers with 500"),
        ({"status": 302}, "It answers with 302"),
        ({"body": b"<html>"}, "no JSON object"),
        ({"body": b"[]"}, "no JSON object"),
        ({"body": b" " * (600 * 1024)}, "too long"),
        ({"told_issuer": "https://evil.example.org"}, "another issuer"),
        ({"told_keys_url": "http://keys.example.org/keys"}, "no https URL"),
        ({"told_keys_url": "file:///etc/passwd"}, "no https URL"),
        ({"told_keys_url": 7}, "no https URL"),
    ],
)
async def test_a_provider_that_answers_wrongly_is_away(
    idp: Idp, wrong: Mapping[str, object], why: str
) -> None:
    for name, value in wrong.items():
        setattr(idp, name, value)
    async with knowing(idp) as known:
        with pytest.raises(IdentityProviderAway, match=why):
            await known.principal(idp.token())


async def test_a_provider_that_is_slow_is_away(idp: Idp) -> None:
    idp.gate.clear()
    async with knowing(idp, timeout_seconds=0.2) as known:
        with pytest.raises(IdentityProviderAway, match=r"in time|ReadTimeout"):
            await known.principal(idp.token())


async def test_certificates_of_the_provider_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    idp = Idp(port=1)
    with pytest.raises(SettingsError, match=f"access.oidc: {idp.issuer}: ca_file: {tmp_path}/none.pem"):
        Tokens([idp.oidc(ca_file=tmp_path / "none.pem")])
