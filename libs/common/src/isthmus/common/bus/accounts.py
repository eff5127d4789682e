"""Who may publish and hear what on the bus: a user of NATS for each service, and one for each subscriber.

The services and the operator are in one account of nats-server, with all streams. A service's user may do
what the service does and no more, so that whoever has stolen its password can neither read the jobs, events
and answers of others nor give orders in their place. The operator's user may do everything.

Each subscriber is in an account of its own, without streams, into which nothing comes but what its consumer
gives: nats-server answers to whatever subject a request names, and what is named in there leads nowhere else.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.common.bus import streams
from isthmus.common.bus.subjects import token

ACCOUNT: Final = "ISTHMUS"
"""The account of the services and the operator: the one with streams."""
OPERATOR: Final = "isthmus"
"""The commands' user."""
INBOX: Final = "_INBOX_"
"""What the subjects begin with on which a user hears answers; its name follows."""
_API: Final = "$JS.API"
SUBSCRIBER_API: Final = "isthmus.API"
"""What it is called for subscribers: under its own name nats-server says that their accounts have none."""
_DECLARED: Final = tuple(f"{_API}.STREAM.CREATE.{name}" for name in streams.NAMES)
"""To declare what is there already changes nothing: what is not, anybody may make who needs it."""
_CHANGED: Final = tuple(f"{_API}.STREAM.UPDATE.{name}" for name in streams.NAMES)
_REFUSED: Final = re.compile(r'permissions violation for \w+ (?:to|with reply of) "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a user may do.

    Attributes:
        publish: subjects that it may publish on, with wildcards.
        subscribe: subjects that it may subscribe to, likewise, beside its inbox.
        answers: whether it may answer what it hears, wherever the answer is wanted.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...] = ()
    answers: bool = True


def inbox_prefix(user: str) -> str:
    """Give what the subjects begin with on which a user hears answers: nobody else may subscribe to them."""
    return f"{INBOX}{token(user)}"


def asked_by_subscriber(name: str) -> Mapping[str, str]:
    """Give all that a subscriber's account has of ours: subjects there, and what they are here.

    A subscriber takes what its consumer of `EVENTS` gives, and acknowledges it. The consumer, with its
    filter, is made by us (`subscribers.keep`).
    """
    there = f"{streams.EVENTS}.{token(name)}"
    calls = [f"CONSUMER.{verb}.{there}" for verb in ("INFO", "MSG.NEXT")]
    acknowledgements = f"$JS.ACK.{there}.>"
    return {
        **{f"{SUBSCRIBER_API}.{call}": f"{_API}.{call}" for call in calls},
        acknowledgements: acknowledgements,
    }


def subscriber(name: str) -> Permissions:
    """Give what a subscriber of events may do in its account."""
    return Permissions(tuple(asked_by_subscriber(name)), answers=False)


def _info(*names: str) -> Iterable[str]:
    return (f"{_API}.STREAM.INFO.{name}" for name in names)


def _read(*names: str) -> Iterable[str]:
    """Any message of a stream."""
    for name in names:
        yield f"{_API}.STREAM.MSG.GET.{name}"
        yield f"{_API}.DIRECT.GET.{name}"
        yield f"{_API}.DIRECT.GET.{name}.>"


def _record(*buckets: str) -> Iterable[str]:
    """A record of a KV bucket, by its key."""
    return (f"{_API}.DIRECT.GET.KV_{bucket}.$KV.{bucket}.>" for bucket in buckets)


def _records(*buckets: str) -> Iterable[str]:
    """All that is in a KV bucket, to read and to write."""
    for bucket in buckets:
        name = f"KV_{bucket}"
        yield from (f"$KV.{bucket}.>", *_read(name), *_info(name))


def _consume(*names: str) -> Iterable[str]:
    """Consumers of a stream, of any name."""
    for name in names:
        yield from (f"{_API}.CONSUMER.CREATE.{name}", f"{_API}.CONSUMER.CREATE.{name}.>")
        yield f"{_API}.CONSUMER.DURABLE.CREATE.{name}.*"
        yield from (f"{_API}.CONSUMER.{verb}.{name}.*" for verb in ("INFO", "DELETE", "MSG.NEXT"))
        yield f"{_API}.CONSUMER.LIST.{name}"
        yield from (f"$JS.ACK.{name}.>", f"$JS.FC.{name}.>")


def _remove(*names: str) -> Iterable[str]:
    return (f"{_API}.STREAM.MSG.DELETE.{name}" for name in names)


def _purge(*names: str) -> Iterable[str]:
    return (f"{_API}.STREAM.PURGE.{name}" for name in names)


def _takers(*names: str) -> Iterable[str]:
    """Whether somebody takes what is in a stream, and how far it is."""
    return (f"{_API}.CONSUMER.INFO.{name}.*" for name in names)


def _watch(*names: str) -> Iterable[str]:
    """How much waits in streams, and since when: the time of a message is told with the message alone."""
    yield f"{_API}.INFO"
    for name in names:
        yield from (f"{_API}.CONSUMER.LIST.{name}", f"{_API}.STREAM.MSG.GET.{name}")


def _submitting(name: str) -> Iterable[str]:
    """A work queue from the side of who puts jobs into it: its job is there, taken, or to be withdrawn."""
    return (*_info(name), *_read(name), *_takers(name), *_remove(name))


_SEARCHES: Final = ("dicom.query.*", "dicom.worklist.*")
_RETRIEVES: Final = (
    "dicom.retrieve.>",
    "dicom.ahead.>",
    *_submitting(streams.JOBS),
    *_consume(streams.PROGRESS),
    *_read(streams.PROGRESS),
    f"$KV.{streams.READS_BUCKET}.>",
    *_record(streams.INBOXES_BUCKET, streams.GUARD_BUCKET),
)
_STORES: Final = (
    "dicom.store.*",
    *_submitting(streams.STORES),
    *_read(streams.PROGRESS),
    *_consume(streams.PROGRESS),
)
_DEPOSITS: Final = (
    "dicom.events.instance.stored.*",
    "dicom.told.>",
    *_record(streams.INBOXES_BUCKET),
)
_SLOTS: Final = (
    "dicom.slots.>",
    "dicom.wanted.>",
    *_info(streams.SLOTS),
    *_read(streams.SLOTS),
    *_remove(streams.SLOTS),
    *_consume(streams.SLOTS),
)
_WORK: Final = (
    "dicom.progress.>",
    "dicom.stored.>",
    "dicom.handed.>",
    "dicom.interest.>",
    *_info(streams.JOBS, streams.STORES, streams.PROGRESS),
    *_read(streams.JOBS, streams.STORES, streams.PROGRESS),
    *_consume(streams.JOBS, streams.STORES, streams.PROGRESS),
    *_records(streams.GUARD_BUCKET, streams.READS_BUCKET),
    *_consume(f"KV_{streams.READS_BUCKET}"),
)
_KEYS: Final = (
    f"{_API}.DIRECT.GET.KV_{streams.KEYS_BUCKET}.$KV.{streams.KEYS_BUCKET}.key.*",
    f"$KV.{streams.KEYS_BUCKET}.used.*",
)
"""To look at an API key, and to note its use: none can make one."""
_FACES: Final = frozenset({"qido", "wado", "stow", "scp"})
"""They tell each other how many requests each client has under way."""
_QUERIES_HEARD: Final = ("dicom.query.*", "dicom.worklist.*", "dicom.echo.*", "dicom.ahead.>")

SERVICES: Final = {
    "qido": Permissions(
        (
            "dicom.query.*",
            "dicom.echo.*",
            f"$KV.{streams.PAGES_BUCKET}.>",
            *_record(streams.PAGES_BUCKET),
        ),
    ),
    "wado": Permissions(("dicom.query.*", *_RETRIEVES), ("dicom.interest.>",)),
    "stow": Permissions((*_STORES, "dicom.query.*", "dicom.delete.*"), ("dicom.stored.>",)),
    "scp": Permissions(
        (
            *_SEARCHES,
            "dicom.echo.*",
            *_RETRIEVES,
            *_STORES,
            *_DEPOSITS,
            "dicom.received.>",
            "dicom.forward.>",
            "dicom.commit.>",
            "dicom.committed.*",
            *_info(streams.EVENTS, streams.FORWARDS, f"KV_{streams.INBOXES_BUCKET}"),
            *_consume(streams.EVENTS, streams.COMMITMENTS, f"KV_{streams.INBOXES_BUCKET}"),
            *_read(streams.COMMITMENTS),
            *_records(streams.REPORTS_BUCKET),
            *_purge(f"KV_{streams.REPORTS_BUCKET}"),
        ),
        ("dicom.interest.>", "dicom.stored.>", "dicom.committed.*"),
    ),
    "dimse-scu": Permissions((*_WORK, *_SLOTS), (*_QUERIES_HEARD, "dicom.received.>", "dicom.wanted.>")),
    "web-scu": Permissions(
        (
            *_WORK,
            *_DEPOSITS,
            *_records(streams.INBOXES_BUCKET),
            *_consume(f"KV_{streams.INBOXES_BUCKET}"),
            *_purge(f"KV_{streams.INBOXES_BUCKET}"),
            *_takers(streams.EVENTS),
            *_info(streams.EVENTS, streams.FORWARDS, streams.DEAD),
        ),
        (*_QUERIES_HEARD, "dicom.delete.*"),
    ),
    "arrivals": Permissions(
        (
            *_CHANGED,
            "dicom.query.*",
            "dicom.echo.*",
            *_STORES,
            "dicom.events.>",
            "dicom.timer.set.>",
            "dicom.forward.>",
            "dicom.dead.>",
            *_info(streams.EVENTS, streams.FORWARDS, streams.DEAD, streams.TIMERS, streams.AUDIT),
            *_read(streams.EVENTS, streams.FORWARDS, streams.DEAD),
            *_consume(streams.EVENTS, streams.TIMERS, streams.FORWARDS, f"KV_{streams.INBOXES_BUCKET}"),
            *_consume(streams.AUDIT),
            *_watch(streams.JOBS, streams.STORES, streams.COMMITMENTS),
            *_remove(streams.FORWARDS),
            *_records(
                streams.INBOXES_BUCKET,
                streams.FORWARDED_BUCKET,
                streams.WEBHOOKS_BUCKET,
                streams.GUARD_BUCKET,
                streams.READS_BUCKET,
            ),
            *_purge(
                *(
                    f"KV_{bucket}"
                    for bucket in (streams.INBOXES_BUCKET, streams.FORWARDED_BUCKET, streams.WEBHOOKS_BUCKET)
                )
            ),
        ),
        ("dicom.stored.>",),
    ),
}
"""What each service's user may do, beside what all of them may."""


def of_service(name: str) -> Permissions:
    """Give all that a service's user may do.

    Raises:
        KeyError: there is no such service.
    """
    own = SERVICES[name]
    publish = (*_DECLARED, f"dicom.audit.{token(name)}.>", *_KEYS, *own.publish)
    subscribe = own.subscribe
    if name in _FACES:
        publish, subscribe = (*publish, f"dicom.load.{token(name)}.*"), (*subscribe, "dicom.load.>")
    return Permissions(tuple(dict.fromkeys(publish)), subscribe, own.answers)


def may_change_streams(user: str) -> bool:
    """Tell whether a user may give a stream another configuration: of the services one alone."""
    return user not in SERVICES or user == "arrivals"


def refused(error: str) -> str | None:
    """Tell of what nats-py heard from the server which subject we may not use; None if it is another error.

    Of the subject those tokens alone that name no study.
    """
    found = _REFUSED.search(error.lower())
    if found is None:
        return None
    tokens = found[1].split(".")
    return ".".join(tokens[: 5 if tokens[0] == "$js" else 2])
