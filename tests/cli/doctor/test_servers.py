"""NATS and S3 as they are set up wrongly: real servers, each of which is a program of its own."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from socket import create_server
from typing import Final

import nats
import pytest
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import APIError

from isthmus.cli.doctor import Cause, Patience, Side
from isthmus.cli.embedded import EmbeddedS3
from isthmus.cli.process import executable
from isthmus.common.blobs import BlobStore
from isthmus.common.config.settings import S3, Nats
from isthmus.common.errors import StoreUnavailable
from isthmus.common.threads import Threads
from tests.cli.doctor.examining import HURRIED, Heard, examined, wants_tls_and_says_so
from tests.peers import Orthanc, Process, free_port
from tests.peers.process import accepts_connections
from tests.servers import started

SHORT: Final = Patience(connect=4.0, answer=4.0)
"""For those who say nothing that can be understood."""


async def with_nats(settings: Nats, data: Path) -> Heard:
    return await examined({"nats": settings}, data)


async def with_s3(settings: S3, data: Path) -> Heard:
    return await examined({"s3": settings}, data)


@pytest.fixture(autouse=True)
def other_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the usual ports one may be taken on the machine that tests run on."""
    monkeypatch.setenv("ISTHMUS_GATEWAY__LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("ISTHMUS_SCP__LISTEN", "127.0.0.1:0")


@asynccontextmanager
async def nats_server(directory: Path, configuration: str) -> AsyncIterator[int]:
    """Run nats-server with a configuration, and give its port."""
    port = free_port()
    file = directory / "own.conf"
    file.write_text(f'listen: "127.0.0.1:{port}"\n{configuration}\n')
    command = [executable("nats-server"), "--config", str(file)]
    with Process(command, log=directory / "nats.log", environment={}) as server:
        server.wait_until(lambda: accepts_connections(port))
        yield port


async def test_nothing_is_wrong_with_nats_and_s3(
    nats_settings: Nats, s3_settings: S3, tmp_path: Path
) -> None:
    heard = await examined({"nats": nats_settings, "s3": s3_settings}, tmp_path)
    assert heard.findings == []
    assert heard.unclear == []
    assert {check.subject for check in heard.checks} == {"settings", "machine", "nats", "s3"}


async def test_nats_is_not_there(tmp_path: Path) -> None:
    port = free_port()
    heard = await with_nats(Nats(url=f"nats://127.0.0.1:{port}"), tmp_path)
    heard.only(Cause.CONNECTION_REFUSED, Side.THEIRS, str(port), "nats.url")


async def test_a_wrong_password(nats_settings: Nats, tmp_path: Path) -> None:
    heard = await with_nats(nats_settings.model_copy(update={"password": "hunter2"}), tmp_path)
    found = heard.only(Cause.NATS_REFUSES_US, Side.OURS, nats_settings.user, "nats.password")
    assert "hunter2" not in repr(found)


async def test_nats_without_jetstream(tmp_path: Path) -> None:
    async with nats_server(tmp_path, "") as port:
        heard = await with_nats(Nats(url=f"nats://127.0.0.1:{port}"), tmp_path)
    heard.only(Cause.NATS_WITHOUT_JETSTREAM, Side.THEIRS, "store_dir")


async def test_an_account_without_jetstream(tmp_path: Path) -> None:
    users = 'accounts { A { users: [ { user: "ann", password: "s3cr3t-of-ann" } ] } }'
    async with nats_server(tmp_path, f'jetstream {{ store_dir: "{tmp_path}" }}\n{users}') as port:
        settings = Nats(url=f"nats://127.0.0.1:{port}", user="ann", password="s3cr3t-of-ann")
        heard = await with_nats(settings, tmp_path)
    heard.only(Cause.NATS_WITHOUT_JETSTREAM, Side.THEIRS, "ann", "jetstream: enabled")


async def test_a_user_who_may_not_use_jetstream(tmp_path: Path) -> None:
    permissions = 'permissions: { publish: "x", subscribe: "_INBOX_ann.>" }'
    users = f'authorization {{ users: [ {{ user: "ann", password: "s3cr3t-of-ann", {permissions} }} ] }}'
    async with nats_server(tmp_path, f'jetstream {{ store_dir: "{tmp_path}" }}\n{users}') as port:
        settings = Nats(url=f"nats://127.0.0.1:{port}", user="ann", password="s3cr3t-of-ann")
        heard = await examined({"nats": settings}, tmp_path, patience=SHORT)
    heard.only(Cause.NATS_NOT_ALLOWED, Side.THEIRS, "ann", "$js.api.info")


async def test_messages_that_are_too_small(tmp_path: Path) -> None:
    configuration = f'jetstream {{ store_dir: "{tmp_path}" }}\nmax_payload: 65536'
    async with nats_server(tmp_path, configuration) as port:
        heard = await with_nats(Nats(url=f"nats://127.0.0.1:{port}"), tmp_path)
    heard.only(Cause.NATS_MESSAGES_TOO_SMALL, Side.THEIRS, "65536", "max_payload: 1048576")


async def test_the_largest_stream_is_named(tmp_path: Path) -> None:
    async with nats_server(tmp_path, f'jetstream {{ store_dir: "{tmp_path}" }}') as port:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        for name, count in (("SMALL", 1), ("LARGE", 2)):
            await client.jetstream().add_stream(StreamConfig(name=name, subjects=[name]))
            for _ in range(count):
                await client.jetstream().publish(name, bytes(1024))
        await client.close()
        heard = await with_nats(Nats(url=f"nats://127.0.0.1:{port}"), tmp_path)
    (said,) = (check.detail for check in heard.checks if check.what == "JetStream")
    assert said.startswith("2 streams, ")
    assert said.endswith(" of them in LARGE")


async def test_jetstream_that_is_full(tmp_path: Path) -> None:
    configuration = f'jetstream {{ store_dir: "{tmp_path}", max_file_store: 1048576 }}'
    async with nats_server(tmp_path, configuration) as port:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        jetstream = client.jetstream()
        await jetstream.add_stream(StreamConfig(name="FULL", subjects=["full"], storage=StorageType.FILE))
        with suppress(APIError):
            while True:
                await jetstream.publish("full", bytes(64 * 1024))
        await client.close()
        heard = await with_nats(Nats(url=f"nats://127.0.0.1:{port}"), tmp_path)
    heard.only(Cause.NATS_STORAGE_FULL, Side.THEIRS, f"127.0.0.1:{port}", "max_file_store")


async def test_nats_that_speaks_no_tls(nats_settings: Nats, tmp_path: Path) -> None:
    url = nats_settings.url.replace("nats://", "tls://")
    heard = await with_nats(nats_settings.model_copy(update={"url": url}), tmp_path)
    heard.only(Cause.TLS_NOT_SPOKEN, Side.OURS, "nats.url")


async def test_what_is_no_nats(orthanc: Orthanc, tmp_path: Path) -> None:
    settings = Nats(url=f"nats://127.0.0.1:{orthanc.http_port}")
    heard = await examined({"nats": settings}, tmp_path, patience=SHORT)
    heard.only(Cause.NOT_NATS, Side.OURS, str(orthanc.http_port), "4222")


async def test_nats_that_hangs(port: int, tmp_path: Path) -> None:
    heard = await examined({"nats": Nats(url=f"nats://127.0.0.1:{port}")}, tmp_path, patience=HURRIED)
    heard.only(Cause.SERVER_SILENT, Side.THEIRS, f"127.0.0.1:{port}", "log")


async def test_nats_with_as_many_connections_as_it_allows(tmp_path: Path) -> None:
    async with nats_server(tmp_path, "max_connections: 1") as port:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        heard = await with_nats(Nats(url=f"nats://127.0.0.1:{port}"), tmp_path)
        await client.close()
    heard.only(Cause.SERVER_FAILS, Side.THEIRS, f"127.0.0.1:{port}", "max_connections")


@pytest.mark.parametrize("setting", ["ca_file", "password_file"])
async def test_nats_with_a_file_that_is_not_there(nats_settings: Nats, setting: str, tmp_path: Path) -> None:
    settings = Nats.model_validate(
        {"url": nats_settings.url.replace("nats://", "tls://"), setting: tmp_path / "none"}
    )
    heard = await with_nats(settings, tmp_path)
    heard.only(Cause.FILE_UNUSABLE, Side.OURS, f"nats.{setting}: {tmp_path / 'none'}")


@pytest.fixture
def port() -> Iterator[int]:
    """One at which connections are taken, and nothing is said."""
    with create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("setting", ["ca_file", "secret_key_file"])
async def test_s3_with_a_file_that_is_not_there(port: int, setting: str, tmp_path: Path) -> None:
    settings = S3.model_validate({"endpoint": f"https://127.0.0.1:{port}", setting: tmp_path / "none"})
    heard = await with_s3(settings, tmp_path)
    heard.only(Cause.FILE_UNUSABLE, Side.OURS, f"s3.{setting}: {tmp_path / 'none'}")


async def test_usual_certificates_that_are_not_there(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    origin = {"name": "images", "protocol": "s3", "ae_title": "IMAGES", "bucket": "images"}
    endpoint = f"https://127.0.0.1:{port}"
    heard = await examined({"origins": [{**origin, "endpoint": endpoint}]}, tmp_path)
    heard.only(Cause.FILE_UNUSABLE, Side.OURS, "origins[0]", f"SSL_CERT_FILE {tmp_path / 'none'}")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with started(EmbeddedS3(tmp_path_factory.mktemp("s3"))) as server:
        yield server


def s3_of(store: EmbeddedS3, **other: str) -> S3:
    """Give the settings as they should be but for this."""
    right: Mapping[str, str] = {
        "endpoint": store.endpoint,
        "bucket": store.bucket,
        "access_key": store.access_key,
        "secret_key": store.secret_key,
    }
    return S3.model_validate({**right, **other})


def origin_of(store: EmbeddedS3, **other: str) -> Mapping[str, str]:
    """Give the settings of an origin as they should be but for this."""
    return {
        "name": "bucket",
        "protocol": "s3",
        "ae_title": "BUCKET",
        "endpoint": store.endpoint,
        "bucket": store.bucket,
        "access_key": store.access_key,
        "secret_key": store.secret_key,
        **other,
    }


@pytest.mark.parametrize(
    ("other", "cause", "key"),
    [
        ({"access_key": "NOBODY"}, Cause.S3_KEY_UNKNOWN, "s3.access_key"),
        ({"secret_key": "hunter2hunter2"}, Cause.S3_SECRET_WRONG, "s3.secret_key"),
    ],
    ids=["access-key", "secret-key"],
)
async def test_a_wrong_key(
    store: EmbeddedS3, other: dict[str, str], cause: Cause, key: str, tmp_path: Path
) -> None:
    heard = await with_s3(s3_of(store, **other), tmp_path)
    found = heard.only(cause, Side.OURS, key, store.endpoint)
    assert store.secret_key not in repr(found)
    assert "hunter2" not in repr(found)


async def test_a_key_without_rights(store: EmbeddedS3, tmp_path: Path) -> None:
    access_key, secret_key = store.keys_of("qido")
    heard = await with_s3(s3_of(store, access_key=access_key, secret_key=secret_key), tmp_path)
    heard.only(Cause.S3_NOT_ALLOWED, Side.THEIRS, "s3:PutObject", "isthmus")


async def test_a_bucket_that_is_not_there_is_made(store: EmbeddedS3, tmp_path: Path) -> None:
    heard = await with_s3(s3_of(store, bucket="another"), tmp_path)
    assert heard.findings == []
    assert "another is made: it was not there" in [check.detail for check in heard.checks]


async def test_a_bucket_of_others_that_is_not_there(store: EmbeddedS3, tmp_path: Path) -> None:
    heard = await examined({"origins": [origin_of(store, bucket="images")]}, tmp_path)
    heard.only(Cause.BUCKET_MISSING, Side.THEIRS, "images", store.endpoint)


@pytest.mark.parametrize("other", [{"region": "us east"}, {"bucket": "a..b"}], ids=["region", "bucket"])
async def test_a_bucket_that_can_be_none(store: EmbeddedS3, other: dict[str, str], tmp_path: Path) -> None:
    heard = await examined({"origins": [origin_of(store, **other)]}, tmp_path)
    heard.only(Cause.SETTINGS_WRONG, Side.OURS, "origins[0]", *other.values())


async def test_nothing_is_wrong_with_a_bucket_of_others(store: EmbeddedS3, tmp_path: Path) -> None:
    heard = await examined({"origins": [origin_of(store)]}, tmp_path)
    assert heard.findings == []
    assert heard.unclear == []


async def test_of_a_store_that_cannot_read_nothing_of_ours_stays(
    store: EmbeddedS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    async def broken(self: BlobStore, key: str, **_: int) -> bytes:
        written.append(key)
        raise StoreUnavailable("its disk is broken")

    monkeypatch.setattr(BlobStore, "get", broken)
    heard = await with_s3(s3_of(store), tmp_path)
    heard.only(Cause.S3_FAILS, Side.THEIRS, "its disk is broken")
    threads = Threads("test", 1)
    blobs = BlobStore(store.endpoint, store.access_key, store.secret_key, store.bucket, threads=threads)
    assert [one.key async for one in blobs.list(written[0])] == []
    blobs.close()
    threads.close()


async def test_s3_that_says_in_clear_that_it_speaks_tls(tmp_path: Path) -> None:
    async with wants_tls_and_says_so() as port:
        settings = S3(endpoint=f"127.0.0.1:{port}")
        heard = await examined({"s3": settings}, tmp_path, patience=SHORT)
    heard.only(Cause.SPEAKS_TLS, Side.OURS, "s3.endpoint", "https://")


async def test_what_is_no_s3(orthanc: Orthanc, tmp_path: Path) -> None:
    settings = S3(endpoint=f"127.0.0.1:{orthanc.http_port}", access_key="key", secret_key="a secret key")
    heard = await examined({"s3": settings}, tmp_path, patience=SHORT)
    heard.only(Cause.NOT_S3, Side.OURS, str(orthanc.http_port), "s3.endpoint")
