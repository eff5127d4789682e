"""API keys: made, used, revoked; and what becomes of them while NATS is away."""

import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from nats.js.kv import KeyValue

from isthmus.cli.embedded import EmbeddedNats
from isthmus.common.access import key_store
from isthmus.common.access.key_store import KeyRing, KeyStore
from isthmus.common.auth import Grants, api_keys
from isthmus.common.auth.api_keys import KeyRecord
from isthmus.common.bus import Bus
from isthmus.common.bus.buckets import Records, bucket
from isthmus.common.bus.granted import Gate
from isthmus.common.bus.streams import KEYS_BUCKET
from isthmus.common.config.settings import Nats
from isthmus.common.errors import BusUnavailable, Unauthenticated
from isthmus.common.messages import encode
from tests import planted
from tests.common.bus.server import Server
from tests.waiting import until


@pytest.fixture
def name() -> str:
    return f"key-{uuid4().hex[:12]}"


@pytest.fixture
async def ring(bus: Bus, name: str) -> AsyncIterator[KeyRing]:
    keys = KeyRing(bus)
    yield keys
    await keys.revoke(name)


@pytest.fixture
async def store(bus: Bus) -> AsyncIterator[KeyStore]:
    keys = KeyStore(bus)
    yield keys
    await keys.close()


async def made(ring: KeyRing, name: str, expires: float | None = None) -> str:
    key = await ring.create(name, expires)
    assert key is not None
    return planted.plant(key)


async def test_a_key_is_known_from_when_it_is_made(ring: KeyRing, store: KeyStore, name: str) -> None:
    key = await made(ring, name)
    assert key.startswith("isk_")
    assert (await store.require(key)).name == name
    assert (await store.require(key, name)).name == name
    with pytest.raises(Unauthenticated, match="no such key"):
        await store.require(key, "other")


async def test_nothing_that_is_kept_gives_the_key(ring: KeyRing, bus: Bus, name: str) -> None:
    key = await made(ring, name)
    kept: KeyValue = bucket(bus, KEYS_BUCKET)
    entry = await kept.get(f"key.{api_keys.key_id(name)}")
    assert entry.value is not None
    assert key.encode() not in entry.value
    assert key.split("_", 2)[2].encode() not in entry.value


async def test_there_is_one_key_of_a_name(ring: KeyRing, store: KeyStore, name: str) -> None:
    key = await made(ring, name)
    assert await ring.create(name) is None
    assert (await store.require(key)).name == name


async def test_an_expired_key_is_refused(ring: KeyRing, store: KeyStore, name: str) -> None:
    key = await made(ring, name, time.time() - 1)
    with pytest.raises(Unauthenticated, match="has expired"):
        await store.require(key)


@pytest.mark.parametrize("wrong", ["", "isk_", "isk_x", "other", "isk_{id}_short", "isk_{id}_{secret}x"])
async def test_what_is_no_key_is_refused(ring: KeyRing, store: KeyStore, name: str, wrong: str) -> None:
    _, key_id, secret = (await made(ring, name)).split("_", 2)
    with pytest.raises(Unauthenticated, match="cut, or none of ours"):
        await store.require(wrong.format(id=key_id, secret=secret))


async def test_the_right_id_is_not_enough(ring: KeyRing, store: KeyStore, name: str) -> None:
    await made(ring, name)
    with pytest.raises(Unauthenticated, match="no such key"):
        await store.require(api_keys.make_key(name))


async def test_a_revoked_key_is_refused_when_it_is_looked_at_again(
    ring: KeyRing, store: KeyStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(ring, name)
    await store.require(key)
    assert await ring.revoke(name)
    assert not await ring.revoke(name)
    clock = time.monotonic()
    monkeypatch.setattr(key_store, "monotonic", lambda: clock + key_store.STALE_SECONDS)
    with pytest.raises(Unauthenticated, match="no such key"):
        await store.require(key)


async def test_a_key_in_use_is_looked_at_beside_its_requests(
    ring: KeyRing, store: KeyStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(ring, name)
    await store.require(key)
    await ring.revoke(name)
    clock = time.monotonic()
    monkeypatch.setattr(key_store, "monotonic", lambda: clock + key_store.FRESH_SECONDS)
    await store.require(key)  # by what was known; and it is read
    (reading,) = store._reading.values()
    await reading
    with pytest.raises(Unauthenticated):
        await store.require(key)


async def test_another_key_of_the_same_name_is_known_soon(
    ring: KeyRing, store: KeyStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await made(ring, name)
    await store.require(old)
    await ring.revoke(name)
    new = await made(ring, name)
    clock = time.monotonic()
    monkeypatch.setattr(key_store, "monotonic", lambda: clock + key_store.AGAIN_SECONDS)
    assert (await store.require(new)).name == name
    with pytest.raises(Unauthenticated):
        await store.require(old)


async def test_guesses_do_not_ask_nats_each_time(
    ring: KeyRing, store: KeyStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(ring, name)
    clock = time.monotonic()
    monkeypatch.setattr(key_store, "monotonic", lambda: clock)
    reads: list[str] = []
    look = store._look

    def counted(key: str) -> Coroutine[None, None, KeyRecord | None]:
        reads.append(key)
        return look(key)

    monkeypatch.setattr(store, "_look", counted)
    for _ in range(20):
        with pytest.raises(Unauthenticated):
            await store.require(api_keys.make_key(name))
    assert len(reads) == 1


async def test_keys_are_listed_with_their_last_use(ring: KeyRing, store: KeyStore, name: str) -> None:
    key = await made(ring, name, time.time() + 1000)
    (unused,) = [state for state in await ring.list() if state.record.name == name]
    assert unused.last_used is None
    await store.require(key)
    for task in list(store._noting):
        await task
    await store._bus.client.flush()
    (used,) = [state for state in await ring.list() if state.record.name == name]
    assert used.last_used == pytest.approx(time.time(), abs=30)
    assert used.record.expires == pytest.approx(time.time() + 1000, abs=30)


async def test_a_use_is_noted_once_a_minute(ring: KeyRing, store: KeyStore, name: str) -> None:
    key = await made(ring, name)
    await store.require(key)
    noting = {*store._noting}
    await store.require(key)
    assert {*store._noting} <= noting


async def test_a_revoked_key_leaves_nothing(ring: KeyRing, store: KeyStore, name: str) -> None:
    key = await made(ring, name)
    await store.require(key)
    for task in list(store._noting):
        await task
    await store._bus.client.flush()
    await ring.revoke(name)
    assert name not in {state.record.name for state in await ring.list()}
    assert api_keys.key_id(name) not in await ring._records.below("used")


async def test_while_nats_is_away_known_keys_go_on_for_seconds_and_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_away() -> bool:
        return not bus.connected

    server = Server(tmp_path)
    await server.start()
    bus = await Bus.connect(server.settings, "test")
    ring, store = KeyRing(bus), KeyStore(bus)
    known, new = await made(ring, "known"), await made(ring, "new")
    await store.require(known)
    await server.kill()
    await until(is_away)
    assert (await store.require(known)).name == "known"
    with pytest.raises(BusUnavailable):
        await store.require(new)
    clock = time.monotonic()
    monkeypatch.setattr(key_store, "monotonic", lambda: clock + key_store.STALE_SECONDS)
    with pytest.raises(BusUnavailable):
        await store.require(known)
    await store.close()
    await bus.client.close()


async def test_a_face_may_look_at_keys_and_note_their_use_and_make_none(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server:
        operator = await Bus.connect(Nats(url=server.url, user=server.user, password=server.password), "test")
        password = server.password_of("wado")
        face = await Bus.connect(Nats(url=server.url, user="wado", password=password), "wado")
        ring, store = KeyRing(operator), KeyStore(face)
        key = await made(ring, "ai")
        assert (await store.require(key)).name == "ai"
        for task in list(store._noting):
            await task
        stolen = api_keys.presented(api_keys.make_key("stolen"))
        record = encode(KeyRecord("stolen", stolen.digest, time.time()))
        await face.client.publish(f"$KV.{KEYS_BUCKET}.key.{stolen.id}", record)
        await face.client.flush()
        (state,) = await ring.list()
        assert state.record.name == "ai"
        assert state.last_used is not None
        await store.close()
        await face.close()
        await operator.close()


@asynccontextmanager
async def signing(server: EmbeddedNats, user: str, key: str) -> AsyncIterator[Bus]:
    """A connection of a user, by whose signing key records are sealed."""
    settings = Nats(url=server.url, user=user, password=server.password_of(user))
    bus = await Bus.connect(settings, user, Gate(Grants(key, user)))
    try:
        yield bus
    finally:
        await bus.close()


async def test_no_key_counts_that_nats_was_made_to_write(tmp_path: Path) -> None:
    key = planted.plant("signing-" + "k" * 32)
    async with (
        EmbeddedNats(tmp_path) as server,
        signing(server, server.user, key) as operator,
        signing(server, "stow", key) as face,
    ):
        ring, records = KeyRing(operator), Records(operator, KEYS_BUCKET)
        known = api_keys.presented(await made(ring, "known"))
        forged = planted.plant(api_keys.make_key("forged"))
        presented = api_keys.presented(forged)
        record = encode(KeyRecord("forged", presented.digest, time.time()))
        sealed, _ = await records.read("key", known.id)
        assert sealed is not None

        async def is_written() -> bool:
            return (await records.read("key", presented.id))[0] == content

        # The code of another key's record is no code of this one.
        for content in (record, sealed[:32] + record):
            await face.jetstream.publish("dicom.store.none", content)
            await face.client.publish(
                "$JS.API.DIRECT.GET.STORES",
                json.dumps({"last_by_subj": "dicom.store.none"}).encode(),
                reply=f"$KV.{KEYS_BUCKET}.key.{presented.id}",
            )
            await until(is_written)
            fresh = KeyStore(face)
            with pytest.raises(Unauthenticated, match="no such key"):
                await fresh.require(forged)
            await fresh.close()
        assert [state.record.name for state in await ring.list()] == ["known"]


async def test_with_another_signing_key_keys_count_no_more_and_can_be_revoked(tmp_path: Path) -> None:
    async with EmbeddedNats(tmp_path) as server:
        async with signing(server, server.user, "a" * 32) as operator:
            text = await made(KeyRing(operator), "ai")
        async with signing(server, server.user, "b" * 32) as operator:
            ring, store, fresh = KeyRing(operator), KeyStore(operator), KeyStore(operator)
            with pytest.raises(Unauthenticated, match="no such key"):
                await store.require(text)
            assert await ring.create("ai") is None
            assert await ring.revoke("ai")
            assert (await fresh.require(await made(ring, "ai"))).name == "ai"
            for one in (store, fresh):
                await one.close()
