"""What the keys of the services may do in the real store: what they need, and nothing else."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from io import BytesIO

import pytest
import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from isthmus.cli.embedded import EmbeddedS3
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.rights import ALL, SERVICES
from isthmus.common.threads import Threads
from tests.servers import started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    with started(EmbeddedS3(tmp_path_factory.mktemp("s3"))) as server:
        yield server


@contextmanager
def client(server: EmbeddedS3, keys: tuple[str, str]) -> Iterator[Minio]:
    with urllib3.PoolManager(retries=False, timeout=10) as http:
        yield Minio(server.endpoint, *keys, secure=False, region="us-east-1", http_client=http)


class Its:
    """A service's client, and what it may do below a prefix."""

    def __init__(self, sdk: Minio, bucket: str, name: str) -> None:
        self.sdk = sdk
        self.bucket = bucket
        self._name = name

    def may(self, prefix: str) -> set[str]:
        """Try it."""
        what = (self.read, self.write, self.delete, self.delete_together, self.list)
        return {one.__name__ for one in what if allowed(partial(one, prefix))}

    def read(self, prefix: str) -> None:
        with closing(self.sdk.get_object(self.bucket, f"{prefix}/pacs/1.2/there")) as answer:
            assert answer.read() == b"12345"

    def write(self, prefix: str) -> None:
        self.sdk.put_object(self.bucket, self._own(prefix), BytesIO(b"1"), 1)

    def delete(self, prefix: str) -> None:
        self.sdk.remove_object(self.bucket, self._own(prefix))

    def delete_together(self, prefix: str) -> None:
        errors = [*self.sdk.remove_objects(self.bucket, [DeleteObject(self._own(prefix))])]
        if errors:
            raise Refused(errors[0].code)

    def list(self, prefix: str) -> None:
        assert [*self.sdk.list_objects(self.bucket, f"{prefix}/pacs/")]

    def _own(self, prefix: str) -> str:
        return f"{prefix}/pacs/1.2/{self._name}"


class Refused(Exception):
    """One of several deletions was."""

    def __init__(self, code: str | None) -> None:
        super().__init__(code)
        self.code = code


def allowed(call: Callable[[], object]) -> bool:
    """Whether S3 does it."""
    try:
        call()
    except (S3Error, Refused) as error:
        if error.code != "AccessDenied":
            raise
        return False
    return True


@pytest.fixture(scope="module")
def filled(server: EmbeddedS3) -> EmbeddedS3:
    """A store with a blob below each prefix."""
    with client(server, (server.access_key, server.secret_key)) as everything:
        for prefix in ALL:
            everything.put_object(server.bucket, f"{prefix}/pacs/1.2/there", BytesIO(b"12345"), 5)
    return server


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_may_do_what_it_does_and_no_more(filled: EmbeddedS3, name: str) -> None:
    rights = SERVICES[name]
    with client(filled, filled.keys_of(name)) as sdk:
        its = Its(sdk, filled.bucket, name)
        for prefix in ALL:
            wanted = {"read"} if prefix in rights.reads else set()
            wanted |= {"write", "delete", "delete_together"} if prefix in rights.writes else set()
            wanted |= {"list"} if prefix in rights.lists else set()
            assert (prefix, its.may(prefix)) == (prefix, wanted)
        assert sdk.bucket_exists(filled.bucket)
        for beyond in (
            lambda: [*sdk.list_objects(filled.bucket)],
            lambda: sdk.make_bucket("another"),
            lambda: sdk.remove_bucket(filled.bucket),
        ):
            assert not allowed(beyond)


def test_of_a_blob_that_is_not_there_its_reader_hears_that(filled: EmbeddedS3) -> None:
    with client(filled, filled.keys_of("qido")) as sdk, pytest.raises(S3Error) as raised:
        sdk.get_object(filled.bucket, "manifests/pacs/1.2/missing")
    assert raised.value.code == "NoSuchKey"


async def test_a_service_begins_with_its_own_key(filled: EmbeddedS3) -> None:
    threads = Threads("test-s3", 1)
    store = BlobStore(filled.endpoint, *filled.keys_of("qido"), filled.bucket, threads=threads)
    await store.ensure_bucket()
    assert await store.healthy()
    store.close()
    threads.close()
