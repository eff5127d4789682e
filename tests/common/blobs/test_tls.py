"""TLS with the real store, by the settings of a service."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.cli.embedded import EmbeddedS3
from isthmus.cli.process import Program
from isthmus.common.blobs import BlobStore
from isthmus.common.config.settings import S3
from isthmus.common.errors import SettingsError
from isthmus.common.threads import Threads
from tests.certificates import Authority
from tests.peers import free_ports
from tests.servers import started


class SecureS3(EmbeddedS3):
    """The embedded server, which speaks TLS on another port too."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        super().__init__(directory)
        own = authority.signs("s3")
        (self._port,) = free_ports(1)
        self.ca_file = authority.certificate
        self._options: Sequence[str] = (
            f"-s3.port.https={self._port}",
            f"-s3.cert.file={own.certificate}",
            f"-s3.key.file={own.key}",
        )

    @property
    def program(self) -> Program:
        plain = super().program
        return replace(plain, command=[*plain.command, *self._options])

    def settings(self, ca_file: Path) -> S3:
        access_key, secret_key = self.keys_of("wado")
        return S3(
            endpoint=f"https://127.0.0.1:{self._port}",
            access_key=access_key,
            secret_key=secret_key,
            ca_file=ca_file,
        )


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
