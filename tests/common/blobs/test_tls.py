"""TLS with the real store, by the settings of a service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.blobs import BlobStore
from isthmus.common.config.settings import S3
from isthmus.common.errors import SettingsError
from isthmus.common.threads import Threads
from tests.certificates import Authority
from tests.secure_servers import SecureS3
from tests.servers import started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureS3]:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    with started(SecureS3(tmp_path_factory.mktemp("s3"), authority)) as server:
        yield server


def store(settings: S3, threads: Threads) -> BlobStore:
    return BlobStore(
        settings.endpoint,
        settings.access_key,
        settings.secret,
        settings.bucket,
        threads=threads,
        ca_file=settings.ca_file,
    )


@pytest.fixture
def threads() -> Iterator[Threads]:
    with_one = Threads("test-s3", 1)
    yield with_one
    with_one.close()


async def test_a_service_writes_and_reads_over_tls_with_its_own_key(
    server: SecureS3, threads: Threads
) -> None:
    blobs = store(server.settings(server.ca_file), threads)
    await blobs.ensure_bucket()
    await blobs.put("derived/pacs/1.2/thing", b"bytes")
    assert await blobs.get("derived/pacs/1.2/thing") == b"bytes"
    blobs.close()


async def test_a_store_that_another_authority_vouches_for_is_none(
    server: SecureS3, threads: Threads, tmp_path: Path
) -> None:
    blobs = store(server.settings(Authority(tmp_path, "stranger").certificate), threads)
    assert not await blobs.healthy()
    blobs.close()


@pytest.mark.parametrize("content", [None, "s3cret"])
def test_certificates_that_cannot_be_read_are_named(
    threads: Threads, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=f"^S3 ca_file: {file}: (No such file|holds no certificate)"):
        store(S3(endpoint="https://127.0.0.1:1", ca_file=file), threads)
