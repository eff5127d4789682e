"""The bound of a warm retrieve: `python -m bench.s3_read`, the same objects straight from S3.

The minio SDK, one process, a few threads; each object is read into memory and dropped.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import urllib3
from minio import Minio

from bench.told import answer


def read(
    endpoint: str, access_key: str, secret_key: str, bucket: str, keys: Sequence[str], threads: int
) -> dict[str, object]:
    """Read them all: seconds, and bytes."""
    pool = urllib3.PoolManager(maxsize=threads)
    client = Minio(endpoint, access_key, secret_key, secure=False, region="us-east-1", http_client=pool)

    def fetch(key: str) -> int:
        response = client.get_object(bucket, key)
        try:
            return len(response.read())
        finally:
            response.release_conn()

    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(fetch, keys[:threads]))  # the connections are made before the clock starts
        started = time.perf_counter()
        size = sum(executor.map(fetch, keys))
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "size": size}


def main() -> None:
    """Do what standard input says."""
    answer(read)


if __name__ == "__main__":
    main()
