"""The buckets of S3 origins, each with threads of its own: one that is silent holds up no other reader."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from isthmus.common.blobs.store import BlobStore
from isthmus.common.config import S3Origin
from isthmus.common.threads import Threads

THREADS: Final = 8
"""For each bucket, in each process; as many connections."""


@contextmanager
def buckets_of(origins: Iterable[S3Origin]) -> Iterator[Mapping[str, BlobStore]]:
    """Give the buckets, by the names of their origins; nothing is connected yet.

    They are given to the `BlobStore` of our own bucket, which finds in them what blob refs name.

    Raises:
        SettingsError: one of them cannot be: its endpoint, its name, its region or a file of certificates.
    """
    with ExitStack() as closing:
        opened: dict[str, BlobStore] = {}
        for origin in origins:
            threads = Threads(f"s3-{origin.name}", THREADS)
            closing.callback(threads.close)
            opened[origin.name] = _open(origin, threads)
            closing.callback(opened[origin.name].close)
        yield opened


def _open(origin: S3Origin, threads: Threads) -> BlobStore:
    access_key, secret_key = origin.credentials()
    return BlobStore(
        origin.endpoint,
        access_key,
        secret_key,
        origin.bucket,
        threads=threads,
        region=origin.region,
        ca_file=origin.ca_file,
        name=f"The bucket of {origin.name!r}:",
    )
