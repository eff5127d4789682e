"""The bound of the inverse: `python -m bench.bare_web`, httpx2 alone: a GET into memory on a new connection.

A multipart body is read to its end, JSON is decoded.
"""

import time

import httpx2

from bench.contestants import TIMEOUT_SECONDS
from bench.exchange import JSON
from bench.told import answer


def get(url: str, accept: str) -> dict[str, object]:
    """Ask once: the status, the seconds to the end, the bytes, and the items of a JSON array.

    Args:
        url: of the resource.
        accept: the media type.
    """
    with httpx2.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        started = time.perf_counter()
        answer = client.get(url, headers={"Accept": accept})
        items = len(answer.json()) if accept == JSON else 0
        seconds = time.perf_counter() - started
    return {
        "status": answer.status_code,
        "seconds": seconds,
        "size": len(answer.content),
        "items": items,
    }


def main() -> None:
    """Do what standard input says."""
    answer(get)


if __name__ == "__main__":
    main()
