"""Of each alert what makes it fire, and what by a little does not: of queues, arrivals and storage."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.observability.rules import Case, Told

_OLDEST: Final = "isthmus_queue_oldest_age_seconds"
_RETRIEVE: Final = 'isthmus_queue="retrieve",dicom_origin="pacs"'
_INTERACTIVE: Final = f'{_OLDEST}{{{_RETRIEVE},isthmus_lane="interactive"}}'
_BULK: Final = f'{_OLDEST}{{{_RETRIEVE},isthmus_lane="bulk"}}'
_STORE: Final = f'{_OLDEST}{{isthmus_queue="store",dicom_origin="pacs"}}'
_COMMIT: Final = f'{_OLDEST}{{isthmus_queue="commit",dicom_origin="inbox"}}'
_FORWARD: Final = f'{_OLDEST}{{isthmus_queue="forward",dicom_origin="pacs"}}'
_WEBHOOKS: Final = f'{_OLDEST}{{isthmus_queue="webhooks",isthmus_webhook="ai"}}'
_EVENTS: Final = f'{_OLDEST}{{isthmus_queue="events",isthmus_consumer="arrivals"}}'
_TO_FORWARD: Final = f'{_OLDEST}{{isthmus_queue="events",isthmus_consumer="forwarding"}}'
_LENGTH: Final = 'isthmus_queue_length{isthmus_queue="store",dicom_origin="pacs"}'
_SAFE: Final = "Nothing of it is lost."


def _minio(free: str, job: str = "s3") -> Mapping[str, str]:
    """So many hundredths of the disk are free, as MinIO tells it."""
    return {
        f'minio_cluster_health_capacity_usable_{part}_bytes{{job="{job}"}}': f"{value}+0x10"
        for part, value in (("free", free), ("total", "100"))
    }


def _seaweedfs(free: str) -> Mapping[str, str]:
    """As SeaweedFS tells it: some of what is free is for others."""
    return {
        f'SeaweedFS_volumeServer_resource{{job="s3",name="/data",type="{kind}"}}': f"{value}+0x10"
        for kind, value in (("all", "100"), ("avail", free), ("free", "15"), ("used", "85"))
    }


_DISKS: Final[Mapping[str, Callable[[str], Mapping[str, str]]]] = {"MinIO": _minio, "SeaweedFS": _seaweedfs}
_LEFT: Final = Told(
    {},
    "S3 has 9% of its disk left",
    "When it is full no image is taken, fetched or stored. What modalities have sent is on it alone, and"
    " stays.",
)

BACKLOG_GROWS: Final[Sequence[Case]] = [
    Case(
        "more than 100 wait, and more come",
        "BacklogGrows",
        {_LENGTH: "90+1x40"},
        "25m",
        Told(
            {"isthmus_queue": "store", "dicom_origin": "pacs"},
            "The queue store grows: pacs",
            "115 messages wait, and more come than are done.",
        ),
    ),
    Case(
        "two replicas of arrivals tell of the same queue",
        "BacklogGrows",
        {
            f'isthmus_queue_length{{{_RETRIEVE},isthmus_lane="bulk",instance="{one}"}}': "90+1x40"
            for one in ("a", "b")
        },
        "25m",
        Told(
            {"isthmus_queue": "retrieve", "dicom_origin": "pacs", "isthmus_lane": "bulk"},
            "The queue retrieve (bulk) grows: pacs",
            "115 messages wait, and more come than are done.",
        ),
    ),
    Case("it has been so for nine minutes", "BacklogGrows", {_LENGTH: "90+1x40"}, "20m"),
    Case("100 wait", "BacklogGrows", {_LENGTH: "60+1x40"}, "40m"),
    Case("many wait, and become no more", "BacklogGrows", {_LENGTH: "500+0x40"}, "40m"),
    Case("many wait, and become fewer", "BacklogGrows", {_LENGTH: "500-1x40"}, "40m"),
    Case(
        "the audit of a busy day is no queue of ours",
        "BacklogGrows",
        {'isthmus_queue_length{isthmus_queue="subscribers"}': "500+5x40"},
        "40m",
    ),
]

BACKLOG_OLD: Final[Sequence[Case]] = [
    Case(
        "somebody waits for a study for ten minutes",
        "BacklogOld",
        {_INTERACTIVE: "601+0x10"},
        "6m",
        Told(
            {"isthmus_queue": "retrieve", "dicom_origin": "pacs", "isthmus_lane": "interactive"},
            "Something waits for long in the queue retrieve (interactive): pacs",
            f"The oldest has waited for 10m 1s. {_SAFE}",
        ),
    ),
    Case("not yet ten minutes", "BacklogOld", {_INTERACTIVE: "600+0x10"}, "6m"),
    Case("it has been so for four minutes", "BacklogOld", {_INTERACTIVE: "601+0x10"}, "4m"),
    Case(
        "a transfer in the background takes over six hours",
        "BacklogOld",
        {_BULK: "21601+0x10"},
        "6m",
        Told(
            {"isthmus_queue": "retrieve", "dicom_origin": "pacs", "isthmus_lane": "bulk"},
            "Something waits for long in the queue retrieve (bulk): pacs",
            f"The oldest has waited for 6h 0m 1s. {_SAFE}",
        ),
    ),
    Case("a transfer in the background takes six hours", "BacklogOld", {_BULK: "21600+0x10"}, "6m"),
    Case(
        "something is not stored for a quarter of an hour",
        "BacklogOld",
        {_STORE: "901+0x10"},
        "6m",
        Told(
            {"isthmus_queue": "store", "dicom_origin": "pacs"},
            "Something waits for long in the queue store: pacs",
            f"The oldest has waited for 15m 1s. {_SAFE}",
        ),
    ),
    Case("not yet a quarter of an hour", "BacklogOld", {_STORE: "900+0x10", _COMMIT: "900+0x10"}, "6m"),
    Case(
        "a webhook takes nothing for an hour",
        "BacklogOld",
        {_WEBHOOKS: "3601+0x10", _FORWARD: "3600+0x10"},
        "6m",
        Told(
            {"isthmus_queue": "webhooks", "isthmus_webhook": "ai"},
            "Something waits for long in the queue webhooks: ai",
            f"The oldest has waited for 1h 0m 1s. {_SAFE}",
        ),
    ),
    Case("not yet an hour", "BacklogOld", {_WEBHOOKS: "3600+0x10", _FORWARD: "3600+0x10"}, "6m"),
]

ARRIVALS: Final[Sequence[Case]] = [
    Case(
        "an instance is not merged after a minute",
        "ArrivalsLate",
        {_EVENTS: "61+0x10"},
        "3m",
        Told(
            {"isthmus_consumer": "arrivals"},
            "What arrives is told late (arrivals)",
            "An instance that arrived 1m 1s ago is not merged into its study: study.arrived, forwarding and"
            " webhooks wait for it. The instances themselves are safe and can be read.",
        ),
    ),
    Case(
        "what arrived is merged, but not put into the queues of its destinations",
        "ArrivalsLate",
        {_EVENTS: "0+0x10", _TO_FORWARD: "61+0x10"},
        "3m",
        Told(
            {"isthmus_consumer": "forwarding"},
            "What arrives is told late (forwarding)",
            "What was to be sent on 1m 1s ago is in no queue of a destination yet. The instances themselves"
            " are safe and can be read.",
        ),
    ),
    Case("not yet a minute", "ArrivalsLate", {_EVENTS: "60+0x10", _TO_FORWARD: "60+0x10"}, "3m"),
    Case("arrivals was restarted", "ArrivalsLate", {_EVENTS: "61 61 0 0 0"}, "3m"),
    Case(
        "something was given up for a webhook",
        "DeadLetters",
        {'isthmus_dead_letters{isthmus_queue="webhooks",isthmus_webhook="ai"}': "3+0x5"},
        "2m",
        Told(
            {"isthmus_queue": "webhooks", "isthmus_webhook": "ai"},
            "Given up: 3 for ai",
            "It could not be forwarded or told, and is kept until somebody replays or drops it.",
        ),
    ),
    Case(
        "something was given up for an origin",
        "DeadLetters",
        {'isthmus_dead_letters{isthmus_queue="forward",dicom_origin="pacs"}': "1+0x5"},
        "2m",
        Told(
            {"isthmus_queue": "forward", "dicom_origin": "pacs"},
            "Given up: 1 for pacs",
            "It could not be forwarded or told, and is kept until somebody replays or drops it.",
        ),
    ),
    Case(
        "somebody has replayed all of it",
        "DeadLetters",
        {'isthmus_dead_letters{isthmus_queue="forward",dicom_origin="pacs"}': "1 0 0"},
        "2m",
    ),
    Case(
        "a webhook is gone",
        "WebhookStopped",
        {'isthmus_webhook_stopped{isthmus_webhook="ai"}': "1+0x5"},
        "2m",
        Told(
            {"isthmus_webhook": "ai"},
            "The webhook ai answered that it is gone",
            "It answered 410, so nothing is sent to it any more. Its events wait.",
        ),
    ),
    Case("it is there", "WebhookStopped", {'isthmus_webhook_stopped{isthmus_webhook="ai"}': "0+0x5"}, "2m"),
]

STORAGE: Final[Sequence[Case]] = [
    Case(
        "more than four fifths are used",
        "JetStreamFull",
        {"isthmus_jetstream_size_bytes": "81+0x10", "isthmus_jetstream_limit_bytes": "100+0x10"},
        "6m",
        Told(
            {},
            "NATS has used 81% of its storage",
            "When it is full nothing more is accepted: no store, no instance from a modality, no retrieve.",
        ),
    ),
    Case(
        "four fifths are used",
        "JetStreamFull",
        {"isthmus_jetstream_size_bytes": "80+0x10", "isthmus_jetstream_limit_bytes": "100+0x10"},
        "6m",
    ),
    Case("there is no limit", "JetStreamFull", {"isthmus_jetstream_size_bytes": "81+0x10"}, "6m"),
    Case(
        "there is no limit, and very much",
        "JetStreamLarge",
        {"isthmus_jetstream_size_bytes": "10737418240+0x10"},
        "6m",
        Told(
            {},
            "The streams of NATS take 10GiB, and nothing bounds them",
            "They hold messages, no images: something piles up, until the disk is full. JetStreamFull would"
            " tell in time, but needs a limit.",
        ),
    ),
    Case("not yet", "JetStreamLarge", {"isthmus_jetstream_size_bytes": "10000000000+0x10"}, "6m"),
    Case(
        "there is a limit",
        "JetStreamLarge",
        {
            "isthmus_jetstream_size_bytes": "10737418240+0x10",
            "isthmus_jetstream_limit_bytes": "2e10+0x10",
        },
        "6m",
    ),
    *(
        case
        for name, of_disk in _DISKS.items()
        for case in (
            Case(f"{name} has less than a tenth of its disk left", "S3DiskFull", of_disk("9"), "6m", _LEFT),
            Case(f"{name} has a tenth left", "S3DiskFull", of_disk("10"), "6m"),
            Case(f"{name} has been so for four minutes", "S3DiskFull", of_disk("9"), "4m"),
        )
    ),
    Case("the disk of somebody else's MinIO is full", "S3DiskFull", _minio("1", job="of others"), "6m"),
    Case(
        "the sweeper does not keep up",
        "CacheFull",
        {"isthmus_cache_size_bytes": "111+0x40", "isthmus_cache_limit_bytes": "100+0x40"},
        "31m",
        Told(
            {},
            "111% of what may be held of the origins is held",
            "What is read least should have made room. The disk of S3 may become full.",
        ),
    ),
    Case(
        "what came last has not made room yet",
        "CacheFull",
        {"isthmus_cache_size_bytes": "110+0x40", "isthmus_cache_limit_bytes": "100+0x40"},
        "31m",
    ),
    Case(
        "it was over its bound for half an hour, less a minute",
        "CacheFull",
        {"isthmus_cache_size_bytes": "111+0x40", "isthmus_cache_limit_bytes": "100+0x40"},
        "29m",
    ),
]

CASES: Final = [*BACKLOG_GROWS, *BACKLOG_OLD, *ARRIVALS, *STORAGE]
