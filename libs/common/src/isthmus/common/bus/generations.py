"""The names of jobs."""

from typing import Final

from nats.js import JetStreamContext


class Generations:
    """Names the jobs of a connection.

    A generation is the creation time of the job's stream and its sequence there: the sequence alone starts
    again when a lost stream is declared anew. The creation time is asked once, and again after `forget` or
    when the sequence has started again.
    """

    def __init__(self, jetstream: JetStreamContext) -> None:
        self._jetstream = jetstream
        self._created: Final[dict[str, int]] = {}
        self._newest: Final[dict[str, int]] = {}

    def forget(self) -> None:
        """Take note that the connection was lost: the server may come back without its streams."""
        self._created.clear()
        self._newest.clear()

    async def name(self, stream: str, sequence: int, *, new: bool = False) -> str:
        """Name the job of a sequence; a `new` one is later in its stream than all before it.

        Raises:
            nats.errors.Error: NATS is away, or the stream.
        """
        if new:
            if sequence <= self._newest.get(stream, 0):
                self._created.pop(stream, None)
            self._newest[stream] = sequence
        created = self._created.get(stream)
        if created is None:
            info = await self._jetstream.stream_info(stream)
            created = int(info.created.timestamp() * 1_000_000) if info.created else 0
            self._created[stream] = created
        return f"{created:x}-{sequence}"


def sequence_of(generation: str) -> int:
    """Give the job's place in its stream."""
    return int(generation.rpartition("-")[2])
