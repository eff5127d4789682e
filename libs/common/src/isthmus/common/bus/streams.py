"""The JetStream streams of the contract, all on disk."""

from typing import Final

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

JOBS: Final = "JOBS"
"""Retrieve jobs. At most one message per study: the message is the lock."""
STORES: Final = "STORES"
"""Store jobs."""
PROGRESS: Final = "PROGRESS"
"""The facts of both kinds of jobs, kept for hours, so that a late reader replays from the start."""

_STREAMS: Final = (
    StreamConfig(
        name=JOBS,
        subjects=["dicom.retrieve.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        discard_new_per_subject=True,
        max_msgs_per_subject=1,
        allow_direct=True,
    ),
    StreamConfig(
        name=STORES,
        subjects=["dicom.store.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        allow_direct=True,
    ),
    StreamConfig(
        name=PROGRESS,
        subjects=["dicom.progress.>", "dicom.stored.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=6 * 3600,
        duplicate_window=120,
        allow_direct=True,
    ),
)


async def declare(jetstream: JetStreamContext) -> None:
    """Create the streams that are not there yet."""
    for stream in _STREAMS:
        await jetstream.add_stream(stream)
