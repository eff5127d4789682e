"""The status as JSON, for scripts: docs/status.md describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from isthmus.cli.output import written_time
from isthmus.cli.status.model import Part, Status
from isthmus.cli.status.verdict import Problem, verdict


def document(status: Status, found: Sequence[Problem]) -> Mapping[str, object]:
    """Give the document: times in UTC, sizes in bytes, null for what is not known."""
    queues = [{**asdict(one), "oldest": written_time(one.oldest)} for one in status.queues]
    letters = [
        {"what": what, "name": name, "count": count}
        for (what, name), count in sorted(status.dead_letters.items())
    ]
    errors = [{**asdict(one), "time": written_time(one.time)} for one in status.errors or ()]
    return {
        "at": written_time(status.at),
        "ok": not found,
        "verdict": verdict(found),
        "problems": [asdict(one) for one in found],
        "services": [{**asdict(one), "since": written_time(one.since)} for one in status.services],
        "origins": [_origin(status, number) for number in range(len(status.origins))],
        "queues": None if Part.QUEUES in status.unknown else queues,
        "scp": {"associations": status.clients},
        "cache": asdict(status.cache),
        "dead_letters": None if Part.DEAD_LETTERS in status.unknown else letters,
        "storage": None if status.storage is None else asdict(status.storage),
        "errors": None if status.errors is None else errors,
        "unknown": {str(part): why for part, why in status.unknown.items()},
    }


def _origin(status: Status, number: int) -> Mapping[str, object]:
    one = status.origins[number]
    associations = one.associations
    used = (
        None
        if associations is None
        else {
            "open": one.open_associations,
            "allowed": associations.allowed,
            "waiting": associations.waiting,
        }
    )
    told = {name: value for name, value in asdict(one).items() if name != "open_associations"}
    return {**told, "associations": used}
