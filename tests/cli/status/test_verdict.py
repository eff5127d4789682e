"""What is wrong, the worst first, and what is not."""

from dataclasses import replace

import pytest

from isthmus.cli.status.model import Answer, Health, Origin, Part, Service, Status
from isthmus.cli.status.verdict import Kind, problems, verdict
from isthmus.common.bus.backlog import Backlog, Queue, Storage
from tests.cli.status.samples import AT, TROUBLED, WELL


def kinds(status: Status) -> list[Kind]:
    return [one.kind for one in problems(status)]


def queue(name: Queue, seconds: float, *, lane: str | None = None, waiting: int = 1) -> Status:
    """A system in which the oldest of a queue is so old, and somebody is at work."""
    one = Backlog(name, "pacs", lane, None, waiting, 1, 0, True, AT - seconds)
    return replace(WELL, queues=[one])


def test_the_worst_comes_first_and_is_said_with_how_many_more_there_are() -> None:
    assert kinds(TROUBLED) == [
        Kind.S3_AWAY,
        Kind.SERVICE_AWAY,
        Kind.SERVICE_NOT_READY,
        Kind.ORIGIN_AWAY,
        Kind.ORIGIN_AWAY,
        Kind.NOBODY_TAKES,
        Kind.STORAGE_FULL,
        Kind.DEAD_LETTERS,
    ]
    assert verdict(problems(TROUBLED)) == (
        "S3 is away: S3 list: Connection refused; look at: isthmus doctor (and 7 problems more)"
    )


def test_of_an_origin_the_doctor_is_asked_by_its_name() -> None:
    away = Origin("pacs", "dimse", Answer.AWAY, reason="called AE title not recognized")
    configured = [one for one in WELL.services if one.name != "demo-pacs"]
    assert verdict(problems(replace(WELL, origins=[away], services=configured))) == (
        "origin pacs does not answer: called AE title not recognized; look at: isthmus doctor pacs"
    )


def test_the_doctor_is_not_asked_for_the_demo_which_is_in_no_settings() -> None:
    (problem,) = problems(replace(WELL, origins=[Origin("demo", "dimse", Answer.SILENT, reason="none")]))
    assert (problem.kind, problem.look_at) == (Kind.ORIGIN_AWAY, "isthmus echo demo")


def test_an_origin_that_one_worker_leaves_alone_is_a_problem_though_another_reaches_it() -> None:
    one = Origin("pacs", "dimse", Answer.ANSWERS, 3.0, is_left_alone=True)
    assert kinds(replace(WELL, origins=[one])) == [Kind.ORIGIN_AWAY]


def test_an_origin_that_is_busy_is_none() -> None:
    assert kinds(replace(WELL, origins=[Origin("pacs", "dimse", Answer.BUSY, reason="in use")])) == []


@pytest.mark.parametrize(
    ("name", "lane", "seconds", "found"),
    [
        (Queue.EVENTS, None, 59, []),
        (Queue.EVENTS, None, 61, [Kind.QUEUE_LATE]),
        (Queue.RETRIEVE, "interactive", 601, [Kind.QUEUE_LATE]),
        (Queue.RETRIEVE, "bulk", 100_000, []),
        (Queue.FORWARD, None, 601, [Kind.QUEUE_LATE]),
        (Queue.WEBHOOKS, None, 601, [Kind.QUEUE_LATE]),
        (Queue.SUBSCRIBERS, None, 100_000, []),
    ],
)
def test_a_queue_is_late_when_its_oldest_is_older_than_it_may_be(
    name: Queue, lane: str | None, seconds: float, found: list[Kind]
) -> None:
    assert kinds(queue(name, seconds, lane=lane)) == found


def test_what_waits_for_a_destination_that_is_away_is_not_taken_and_that_is_right() -> None:
    one = Backlog(Queue.FORWARD, "pacs", None, None, 5, 0, 0, False, AT - 10)
    assert kinds(replace(WELL, queues=[one])) == []


def test_the_room_of_nats_is_a_problem_before_it_is_used_up() -> None:
    assert kinds(replace(WELL, storage=Storage(90, 100))) == []
    assert kinds(replace(WELL, storage=Storage(91, 100))) == [Kind.STORAGE_FULL]


def test_what_cannot_be_told_is_a_problem_of_its_own_only_where_nothing_else_explains_it() -> None:
    unknown = {Part.QUEUES: "no answer from NATS within 2 s"}
    assert kinds(replace(WELL, unknown=unknown)) == [Kind.NOT_TOLD]
    silent = [Service("nats", 0, Health.SILENT, "no answer from NATS within 2 s")]
    assert kinds(replace(WELL, unknown=unknown, services=silent)) == [Kind.NATS_AWAY]


def test_errors_in_the_logs_are_shown_and_change_nothing() -> None:
    assert kinds(replace(WELL, errors=TROUBLED.errors)) == []
