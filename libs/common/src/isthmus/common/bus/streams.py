"""The JetStream streams of the contract, all on disk."""

from typing import Final

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError

JOBS: Final = "JOBS"
"""Retrieve jobs. At most one message per study: the message is the lock."""
STORES: Final = "STORES"
"""Store jobs."""
PROGRESS: Final = "PROGRESS"
"""The facts of both kinds of jobs, kept for hours, so that a late reader replays from the start."""
SLOTS: Final = "SLOTS"
"""The associations that origins allow: one message each, held by whoever has it unacknowledged."""
GUARD_BUCKET: Final = "GUARDS"
"""A KV bucket: which job is at work on a study now."""
GUARD_SECONDS: Final = 10.0
"""After so long without a renewal the holder is dead."""
READS_BUCKET: Final = "READS"
"""A KV bucket: when each study was last read."""
READS_SECONDS: Final = 30 * 86_400.0
"""What was not read for so long was never read."""
PAGES_BUCKET: Final = "PAGES"
"""A KV bucket: which matches a search has given, in which order."""
PAGES_SECONDS: Final = 600.0
"""Who has not asked for the next page by then begins anew."""
PAGES_BYTES: Final = 64 * 1024 * 1024
"""Beyond this the oldest are forgotten: 80,000 searches of one page of 100."""
_OTHER_CONFIGURATION: Final = 10058
"""JetStream error: stream name already in use with a different configuration."""

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
        subjects=["dicom.progress.>", "dicom.stored.>", "dicom.handed.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=6 * 3600,
        duplicate_window=120,
        allow_direct=True,
    ),
    StreamConfig(
        name=SLOTS,
        subjects=["dicom.slots.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        discard_new_per_subject=True,
        max_msgs_per_subject=1,
    ),
    # As `create_key_value` makes it, but for per-message TTL: with its expiry markers a key became free only
    # after 63 s.
    StreamConfig(
        name=f"KV_{GUARD_BUCKET}",
        subjects=[f"$KV.{GUARD_BUCKET}.>"],
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_msgs_per_subject=1,
        max_age=GUARD_SECONDS,
        duplicate_window=GUARD_SECONDS,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
    ),
    StreamConfig(
        name=f"KV_{READS_BUCKET}",
        subjects=[f"$KV.{READS_BUCKET}.>"],
        storage=StorageType.FILE,
        max_msgs_per_subject=1,
        max_age=READS_SECONDS,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
    ),
    StreamConfig(
        name=f"KV_{PAGES_BUCKET}",
        subjects=[f"$KV.{PAGES_BUCKET}.>"],
        storage=StorageType.FILE,
        max_msgs_per_subject=1,
        max_age=PAGES_SECONDS,
        max_bytes=PAGES_BYTES,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
    ),
)


async def declare(jetstream: JetStreamContext) -> None:
    """Create the streams that are not there yet, and bring those of an earlier version up to date."""
    for stream in _STREAMS:
        try:
            await jetstream.add_stream(stream)
        except APIError as error:
            if error.err_code != _OTHER_CONFIGURATION:
                raise
            await jetstream.update_stream(stream)
