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
EVENTS: Final = "EVENTS"
"""What arrived, for whoever subscribes (docs/asyncapi.yaml); and what senders told of it (`dicom.told.`)."""
ARRIVALS_CONSUMER: Final = "arrivals"
"""Who puts instances into the lists of studies: what it has not acknowledged is in EVENTS alone."""
EVENTS_SECONDS: Final = 14 * 86_400.0
"""How far back events can be replayed."""
DUPLICATE_SECONDS: Final = 3600.0
"""For how long the same event, published again, is no second one."""
TIMERS: Final = "TIMERS"
"""Messages that come at a time: when a study has been quiet for long enough."""
FORWARDS: Final = "FORWARDS"
"""What is to go to another origin: a work queue for each destination; and replayed events for webhooks."""
DEAD: Final = "DEAD"
"""Dead letters: what was tried as often, or for as long, as the settings say."""
COMMITMENTS: Final = "COMMITMENTS"
"""Requests for storage commitment whose results are not reported yet: a work queue for each inbox."""
COMMITMENTS_SECONDS: Final = 2 * 86_400.0
"""Of what nobody takes any more: the inbox is no longer in the settings."""
AUDIT: Final = "AUDIT"
"""Who did what with which study, and whether he might (PS3.15 A.5)."""
AUDIT_SECONDS: Final = 30 * 86_400.0
"""Until `bus.audit.keep_for` says another."""
INBOXES_BUCKET: Final = "INBOXES"
"""A KV bucket: the record of each study in an inbox."""
REPORTS_BUCKET: Final = "REPORTS"
"""A KV bucket: the studies of each MPPS that is in progress."""
REPORTS_SECONDS: Final = 7 * 86_400.0
WEBHOOKS_BUCKET: Final = "WEBHOOKS"
"""A KV bucket: how each webhook is doing."""
FORWARDED_BUCKET: Final = "FORWARDED"
"""A KV bucket: where each study in an inbox was forwarded to."""
KEYS_BUCKET: Final = "KEYS"
"""A KV bucket: the API keys, and when each was used last."""
_OTHER_CONFIGURATION: Final = 10058
"""JetStream error: stream name already in use with a different configuration."""


def _bucket(name: str) -> StreamConfig:
    """Give the stream of a KV bucket as `create_key_value` makes it, but for per-message TTL.

    With its expiry markers a key became free only after 63 s.
    """
    return StreamConfig(
        name=f"KV_{name}",
        subjects=[f"$KV.{name}.>"],
        storage=StorageType.FILE,
        max_msgs_per_subject=1,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
    )


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
    StreamConfig(
        name=EVENTS,
        subjects=["dicom.events.>", "dicom.told.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=EVENTS_SECONDS,
        duplicate_window=DUPLICATE_SECONDS,
        allow_direct=True,
    ),
    StreamConfig(
        name=TIMERS,
        subjects=["dicom.timer.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_msgs_per_subject=1,
        allow_msg_schedules=True,
        allow_msg_ttl=True,
        allow_direct=True,
    ),
    StreamConfig(
        name=FORWARDS,
        subjects=["dicom.forward.>", "dicom.webhook.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        duplicate_window=DUPLICATE_SECONDS,
        allow_direct=True,
    ),
    StreamConfig(
        name=DEAD,
        subjects=["dicom.dead.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        duplicate_window=DUPLICATE_SECONDS,
        allow_direct=True,
    ),
    StreamConfig(
        name=COMMITMENTS,
        subjects=["dicom.commit.>"],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        max_msgs_per_subject=1,  # who asks again in the same transaction gets one answer
        max_age=COMMITMENTS_SECONDS,
        allow_direct=True,
    ),
    StreamConfig(
        name=AUDIT,
        subjects=["dicom.audit.>"],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=AUDIT_SECONDS,
        deny_delete=True,  # what is recorded nobody takes back
        deny_purge=True,
        allow_direct=True,
    ),
    _bucket(GUARD_BUCKET).evolve(
        discard=DiscardPolicy.NEW, max_age=GUARD_SECONDS, duplicate_window=GUARD_SECONDS
    ),
    _bucket(READS_BUCKET).evolve(max_age=READS_SECONDS),
    _bucket(PAGES_BUCKET).evolve(max_age=PAGES_SECONDS, max_bytes=PAGES_BYTES),
    _bucket(INBOXES_BUCKET).evolve(discard=DiscardPolicy.NEW),
    _bucket(FORWARDED_BUCKET).evolve(discard=DiscardPolicy.NEW),
    _bucket(REPORTS_BUCKET).evolve(max_age=REPORTS_SECONDS),
    _bucket(WEBHOOKS_BUCKET).evolve(discard=DiscardPolicy.NEW),
    _bucket(KEYS_BUCKET).evolve(discard=DiscardPolicy.NEW),
)
NAMES: Final = tuple(stream.name for stream in _STREAMS if stream.name is not None)
"""Of all streams, those of the KV buckets among them."""


async def declare(jetstream: JetStreamContext, *, may_change: bool = True) -> bool:
    """Create the streams that are not there yet, and bring those of an earlier version up to date.

    Args:
        jetstream: the connection.
        may_change: whether we may change a stream that is there (`accounts.may_change_streams`).

    Returns:
        Whether all are as they should be now: a service that may not change those of another version leaves
        them to who may.
    """
    done = True
    for stream in _STREAMS:
        try:
            await jetstream.add_stream(stream)
        except APIError as error:
            if error.err_code != _OTHER_CONFIGURATION:
                raise
            if may_change:
                await jetstream.update_stream(await _with_settings(jetstream, stream))
            # How long the audit is kept is a setting: that it differs from here says nothing.
            done &= may_change or stream.name == AUDIT
    return done


async def _with_settings(jetstream: JetStreamContext, stream: StreamConfig) -> StreamConfig:
    """Leave to a stream what `bus.audit.keep_for` has set."""
    if stream.name != AUDIT:
        return stream
    return stream.evolve(max_age=(await jetstream.stream_info(AUDIT)).config.max_age)
