"""The bucket is made before the services start, and each may do its part with it."""

import asyncio
import json
import ssl
from io import BytesIO
from pathlib import Path

import pytest
from minio import Minio, MinioAdmin
from minio.error import MinioAdminException

from isthmus.cli.containers import bucket
from isthmus.cli.containers.bucket import make_bucket
from isthmus.cli.embedded.s3_rights import OWNER, identities, policy
from isthmus.common.blobs.rights import SERVICES
from isthmus.common.config.settings import S3
from isthmus.common.errors import SettingsError, StoreUnavailable
from tests.certificates import Authority
from tests.peers import free_ports


async def taking_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be an S3 in which all is as it should be."""
    await reader.readuntil(b"\r\n\r\n")
    body = b"<LocationConstraint>us-east-1</LocationConstraint>"
    head = (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
    )
    writer.write(head % len(body) + body)
    await writer.drain()
    writer.close()


def named(s3: S3, bucket: str) -> S3:
    return S3(endpoint=s3.endpoint, bucket=bucket)


def keys_of(s3: S3) -> dict[str, tuple[str, str]]:
    services = {name: (name, f"the secret key of {name}") for name in SERVICES}
    return {OWNER: (s3.access_key, s3.secret_key), **services}


async def test_a_bucket_is_made_once(s3_settings: S3, tmp_path: Path) -> None:
    (keys := tmp_path / "keys.json").write_text(identities(keys_of(s3_settings), "made-for-containers"))
    for _ in range(2):
        await make_bucket(named(s3_settings, "made-for-containers"), keys, minio=False)
    access_key, secret_key = keys_of(s3_settings)[OWNER]
    client = Minio(s3_settings.endpoint, access_key=access_key, secret_key=secret_key, secure=False)
    client.put_object("made-for-containers", "held/1", BytesIO(b"1"), 1)
    (listed,) = client.list_objects("made-for-containers", recursive=True)
    assert listed.object_name == "held/1"


async def test_at_minio_each_service_gets_its_user_and_what_it_may_do(
    s3_settings: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, ...]] = []

    class Admin:
        """What MinIO is asked for; that it takes it so, no test here can see: there is none to be had."""

        def __init__(self, **_: object) -> None:
            pass

        def policy_add(self, name: str, *, policy: object) -> None:
            done.append(("policy", name, json.dumps(policy)))

        def user_add(self, access_key: str, secret_key: str) -> None:
            done.append(("user", access_key, secret_key))

        def policy_set(self, name: str, *, user: str) -> None:
            done.append(("set", name, user))

    monkeypatch.setattr(bucket, "MinioAdmin", Admin)
    (keys := tmp_path / "keys.json").write_text(identities(keys_of(s3_settings), "isthmus"))
    await make_bucket(named(s3_settings, "isthmus"), keys, minio=True)
    wanted: list[tuple[str, ...]] = []
    for name, rights in SERVICES.items():
        access_key, secret_key = keys_of(s3_settings)[name]
        wanted.append(("policy", name, json.dumps(json.loads(policy(rights, "isthmus")))))
        wanted += [("user", access_key, secret_key), ("set", name, access_key)]
    assert done == wanted


async def test_what_minio_refuses_is_told_without_what_it_was_sent(
    s3_settings: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise MinioAdminException("403", '{"Code":"AccessDenied","Message":"the secret key of qido"}')

    monkeypatch.setattr(MinioAdmin, "policy_add", refused)
    (keys := tmp_path / "keys.json").write_text(identities(keys_of(s3_settings), "isthmus"))
    with pytest.raises(StoreUnavailable) as caught:
        await make_bucket(named(s3_settings, "isthmus"), keys, minio=True)
    assert caught.value.detail.endswith("MinIO takes no users and policies: 403 AccessDenied")


async def test_the_authority_of_the_settings_is_the_one_that_is_trusted(
    s3_settings: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    context, own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), authority.signs("s3")
    context.load_cert_chain(own.certificate, own.key)
    (keys := tmp_path / "keys.json").write_text(identities(keys_of(s3_settings), "isthmus"))
    server = await asyncio.start_server(taking_all, "127.0.0.1", 0, ssl=context)
    endpoint = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        await make_bucket(S3(endpoint=endpoint, ca_file=authority.certificate), keys, minio=False)
        other = Authority(tmp_path, "another").certificate
        monkeypatch.setattr(bucket, "_SECONDS", 2.0)
        with pytest.raises(StoreUnavailable, match="make bucket: SSLError"):
            await make_bucket(S3(endpoint=endpoint, ca_file=other), keys, minio=False)


async def test_wrong_keys_are_refused_by_name_of_the_server(s3_settings: S3, tmp_path: Path) -> None:
    wrong = {**keys_of(s3_settings), OWNER: (s3_settings.access_key, "not its key at all")}
    (keys := tmp_path / "keys.json").write_text(identities(wrong, "made-for-containers"))
    with pytest.raises(StoreUnavailable) as caught:
        await make_bucket(named(s3_settings, "made-for-containers"), keys, minio=False)
    assert s3_settings.endpoint in caught.value.detail
    assert "not its key" not in caught.value.detail
    assert "403 SignatureDoesNotMatch" in caught.value.detail


async def test_a_file_without_a_key_for_each_service_is_refused(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    for text, complaint in (
        (None, "No such file"),
        ("{", "is no file of keys"),
        (json.dumps({"identities": []}), "has no key of isthmus, qido"),
    ):
        if text is not None:
            keys.write_text(text)
        with pytest.raises(SettingsError, match=complaint):
            await make_bucket(S3(endpoint="127.0.0.1:1"), keys, minio=True)


async def test_a_server_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "_SECONDS", 2.0)
    users = {name: (name, "a secret of some length") for name in (OWNER, *SERVICES)}
    (keys := tmp_path / "keys.json").write_text(identities(users, "isthmus"))
    (port,) = free_ports(1)
    with pytest.raises(StoreUnavailable, match=f"S3 at 127.0.0.1:{port}: .*: Connection refused"):
        await make_bucket(S3(endpoint=f"http://127.0.0.1:{port}"), keys, minio=True)
