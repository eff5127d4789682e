"""The KV buckets that `streams` declares."""

from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError, NoStreamResponseError
from nats.js.kv import KeyValue

from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.subjects import token


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


class Records:
    """The records in a bucket, each under a key of one or several names, changed by compare-and-set."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._name = name
        self._bucket = bucket(bus, name)

    async def read(self, *names: str) -> tuple[bytes | None, int]:
        """Give a record and its revision; None and 0 where there is none.

        Raises:
            BusUnavailable: NATS is away.
        """
        with bucket_errors(self._name):
            try:
                entry = await self._bucket.get(_key(names), validate_keys=False)
            except KeyNotFoundError:
                return None, 0
        return entry.value or b"", entry.revision or 0

    async def write(self, record: bytes, revision: int, *names: str) -> int | None:
        """Write a record and give its revision; None if it has changed since `revision` was read.

        Raises:
            BusUnavailable: NATS is away; nobody knows whether it was written.
        """
        with bucket_errors(self._name):
            try:
                return await self._bucket.update(_key(names), record, last=revision, validate_keys=False)
            except KeyWrongLastSequenceError:
                return None

    async def below(self, *names: str) -> list[str]:
        """Give the last tokens of the keys that are these names and one more, sorted.

        Raises:
            BusUnavailable: NATS is away.
        """
        # Not by `keys`: that of nats-py now and then ends before the first of them has come.
        with bus_errors(self._name):
            info = await self._bus.jetstream.stream_info(
                f"KV_{self._name}", subjects_filter=self._subject(names, "*")
            )
        return sorted(subject.rpartition(".")[2] for subject in info.state.subjects or ())

    async def forget(self, *names: str) -> None:
        """Delete a record, so that no marker stays.

        Raises:
            BusUnavailable: NATS is away.
        """
        await self._purge(self._subject(names))

    async def forget_below(self, *names: str) -> None:
        """Delete the records whose keys are these names and one more, likewise.

        Raises:
            BusUnavailable: NATS is away.
        """
        await self._purge(self._subject(names, "*"))

    async def _purge(self, subject: str) -> None:
        with bus_errors(self._name):
            await self._bus.jetstream.purge_stream(f"KV_{self._name}", subject=subject)

    def _subject(self, names: tuple[str, ...], *wildcards: str) -> str:
        return ".".join((f"$KV.{self._name}", *map(token, names), *wildcards))


def _key(names: tuple[str, ...]) -> str:
    return ".".join(map(token, names))
