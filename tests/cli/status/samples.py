"""A system that is looked at, without one: all is well, or as it is changed."""

from isthmus.cli.error_log import LoggedError
from isthmus.cli.status.model import Answer, Cache, Health, Origin, Service, Status
from isthmus.common.bus.backlog import Associations, Backlog, Queue, Storage

AT = 1_700_000_000.0
WELL = Status(
    at=AT,
    services=[
        Service("nats", 0, Health.READY, None, 10, AT - 7300, 0, 12_400_000),
        Service("s3", 0, Health.READY, None, 11, AT - 7300, 0, 984_300_000),
        Service("demo-pacs", 0, Health.RUNNING, None, 12, AT - 7300, 0, 106_000_000),
        Service("wado", 1, Health.READY, None, 13, AT - 7290, 0, 91_000_000),
        Service("wado", 2, Health.READY, None, 14, AT - 95, 2, 90_000_000),
        Service("gateway", 0, Health.READY, None, 15, AT - 7280, 0, 27_300_000),
    ],
    origins=[
        Origin("pacs", "dimse", Answer.ANSWERS, 25.34, None, False, Associations("pacs", 4, 0), 2),
        Origin("cloud", "dicomweb", Answer.ANSWERS, 130.0, is_left_alone=False),
    ],
    queues=[
        Backlog(Queue.RETRIEVE, "pacs", "interactive", None, 0, 1, 0, True, AT - 3),
        Backlog(Queue.RETRIEVE, "pacs", "bulk", None, 12, 1, 0, True, AT - 7300),
        Backlog(Queue.STORE, "pacs", None, None, 0, 0, 0, False, None),
        Backlog(Queue.WEBHOOKS, None, None, "ris", 3, 1, 1, True, AT - 50),
    ],
    cache=Cache(2_500_000_000, 50_000_000_000, 412),
    clients=3,
    dead_letters={},
    storage=Storage(14_200_000, None),
    errors=[],
    unknown={},
)
TROUBLED = Status(
    at=AT,
    services=[
        Service("nats", 0, Health.READY, None, 10, AT - 7300, 0, 12_400_000),
        Service("s3", 0, Health.AWAY, "S3 list: Connection refused", 11, AT - 7300, 0, 84_300_000),
        Service("wado", 0, Health.NOT_READY, "S3 does not answer it", 13, AT - 7290, 0, 91_000_000),
        Service(
            "scp",
            0,
            Health.AWAY,
            "ended with exit code 1; it is started again",
            restarts=4,
            since=AT - 9,
        ),
        Service("gateway", 0, Health.READY, None, 15, AT - 7280, 0, 27_300_000),
    ],
    origins=[
        Origin(
            "pacs",
            "dimse",
            Answer.AWAY,
            reason="'pacs' failed 3 times in a row, the last time so: The origin cannot be reached"
            " (pacs.example.org:104: connection refused)",
            is_left_alone=True,
            associations=Associations("pacs", 4, 2),
            open_associations=0,
        ),
        Origin(
            "a-name-that-is-much-longer-than-its-column-is",
            "dimse",
            Answer.SILENT,
            reason="no answer for 2 s",
        ),
    ],
    queues=[Backlog(Queue.RETRIEVE, "pacs", "interactive", None, 2, 0, 0, False, AT - 130)],
    cache=Cache(None, 50_000_000_000, None),
    clients=None,
    dead_letters={("forward", "archive"): 2, ("webhook", "ris"): 1},
    storage=Storage(95, 100),
    errors=[
        LoggedError(AT - 40, "wado", "cannot read detail=S3 list: Connection refused " + "x" * 80),
        LoggedError(AT - 9, "scp", "ended with exit code 1"),
    ],
    unknown={},
)
