"""The KV buckets that `streams` declares."""

from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
from nats.js.errors import NoStreamResponseError
from nats.js.kv import KeyValue

from isthmus.common.bus.client import Bus, bus_errors


def bucket(bus: Bus, name: str) -> KeyValue:
    """Give a bucket, without asking the server for what we have declared ourselves.

    Its keys are tokens of `subjects`, which may hold a `%`: nats-py takes those with `validate_keys=False`.
    """
    return KeyValue(name, f"KV_{name}", f"$KV.{name}.", bus.jetstream, direct=True)


@contextmanager
def bucket_errors(name: str) -> Iterator[None]:
    """Turn what nats-py raises into our own errors; a bucket that is missing is no lack of workers."""
    with bus_errors(name):
        try:
            yield
        except nats.errors.NoRespondersError:  # as a direct get tells that there is no stream
            raise NoStreamResponseError from None
