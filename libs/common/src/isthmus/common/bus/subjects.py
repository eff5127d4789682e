"""The subjects of the contract: the one place that makes names into tokens.

Subjects are `dicom.{verb}.{origin}...`. A UID or name is one token: `.` is written as `=`, whatever else
could mean something to NATS (blanks, `*`, `>`), and `=` and `%` themselves, as `%` and two hexadecimal
digits. What is too long for a subject is hashed: a server closes connections over which it comes, for good.
"""

import hashlib
from functools import lru_cache
from typing import Final

_PLAIN: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-")

LONGEST: Final = 512
"""Characters of a token; NATS takes 4,096 of a subject and what stands in the same line."""


@lru_cache(maxsize=4096)
def token(name: str) -> str:
    """Write a name or UID as one token of a subject."""
    written = "".join(_escaped(character) for character in name) or "%"
    if len(written) > LONGEST:
        # "%s" begins no escape, so a hash is never mistaken for an encoded name.
        return f"%s{hashlib.sha256(name.encode()).hexdigest()}"
    return written


def _escaped(character: str) -> str:
    if character in _PLAIN:
        return character
    if character == ".":
        return "="
    return "".join(f"%{byte:02X}" for byte in character.encode())


def query(origin: str) -> str:
    """Searches of one origin."""
    return f"dicom.query.{token(origin)}"


def worklist(origin: str) -> str:
    """Searches of the worklist of one origin."""
    return f"dicom.worklist.{token(origin)}"


def echo(origin: str) -> str:
    """C-ECHO, or its counterpart."""
    return f"dicom.echo.{token(origin)}"


def retrieve(origin: str, lane: str, study: str) -> str:
    """The retrieve job of one study; `*` stands for any lane."""
    return f"dicom.retrieve.{token(origin)}.{lane}.{token(study)}"


def retrieves(origin: str, lane: str) -> str:
    """All retrieve jobs of an origin's lane."""
    return f"dicom.retrieve.{token(origin)}.{lane}.*"


def interest(origin: str, study: str, generation: str) -> str:
    """Where the worker asks whether anyone still waits."""
    return f"dicom.interest.{token(origin)}.{token(study)}.{generation}"


def ahead(origin: str, study: str) -> str:
    """Where the worker that runs a study's job is told what is wanted first."""
    return f"dicom.ahead.{token(origin)}.{token(study)}"


def slot(origin: str, number: int) -> str:
    """One of the associations that an origin allows."""
    return f"dicom.slots.{token(origin)}.{number}"


def slots(origin: str) -> str:
    """All of them."""
    return f"dicom.slots.{token(origin)}.*"


def slot_wanted(origin: str) -> str:
    """Where it is said that somebody waits for an association while others may lie idle."""
    return f"dicom.wanted.{token(origin)}"


def progress(origin: str, study: str, generation: str) -> str:
    """The facts of one generation."""
    return f"dicom.progress.{token(origin)}.{token(study)}.{generation}"


def received(origin: str, study: str) -> str:
    """Where scp asks who wanted an instance of this study."""
    return f"dicom.received.{token(origin)}.{token(study)}"


def store(origin: str) -> str:
    """Store jobs of one origin."""
    return f"dicom.store.{token(origin)}"


def stored(origin: str, job: str) -> str:
    """The results of one store job."""
    return f"dicom.stored.{token(origin)}.{token(job)}"


def handed_over(stream: str, generation: str) -> str:
    """How often a job was given back by a worker that stopped."""
    return f"dicom.handed.{stream.lower()}.{generation}"


def event(kind: str, origin: str) -> str:
    """Events of one type (`instance.stored`, `study.arrived`, `study.amended`) and inbox."""
    return f"dicom.events.{kind}.{token(origin)}"


def events(kind: str | None = None, origin: str | None = None) -> str:
    """Events of one type, of one inbox, or all."""
    return f"dicom.events.{kind or '*.*'}.{'*' if origin is None else token(origin)}"


def told(origin: str, study: str) -> str:
    """What senders tell of a study beside its instances."""
    return f"dicom.told.{token(origin)}.{token(study)}"


def delete(origin: str) -> str:
    """Where studies, series and instances of an inbox are deleted."""
    return f"dicom.delete.{token(origin)}"


def timer_set(origin: str, study: str) -> str:
    """Where a study's timer is set; setting it again moves it."""
    return f"dicom.timer.set.{token(origin)}.{token(study)}"


def timer_fired(origin: str, study: str) -> str:
    """Where it comes when it is time."""
    return f"dicom.timer.fired.{token(origin)}.{token(study)}"


def forward(destination: str, origin: str, study: str) -> str:
    """What of a study of an inbox is to go to a destination; `forwards` for all of a destination."""
    return f"dicom.forward.{token(destination)}.{token(origin)}.{token(study)}"


def forwards(destination: str) -> str:
    """All that is to go to an origin."""
    return f"dicom.forward.{token(destination)}.>"


def forwards_spooled(destination: str) -> str:
    """All that was sent to an origin by C-STORE, and is on its way there."""
    return f"dicom.forward.{token(destination)}.{token(destination)}.>"


def forwards_of(origin: str, study: str) -> str:
    """All that is to go of a study of an inbox, wherever."""
    return f"dicom.forward.*.{token(origin)}.{token(study)}"


def webhook(name: str) -> str:
    """Events that are to go to a webhook once more: replayed dead letters."""
    return f"dicom.webhook.{token(name)}"


def dead(what: str, name: str) -> str:
    """Dead letters: of `webhook`, and its name; those of `forward` name the study too."""
    return f"dicom.dead.{what}.{token(name)}"


def dead_forward(destination: str, origin: str, study: str) -> str:
    """Dead letters of a study of an inbox that did not get to a destination."""
    return f"{dead('forward', destination)}.{token(origin)}.{token(study)}"


def dead_forwards_of(origin: str, study: str) -> str:
    """All dead letters of a study of an inbox, wherever it was to go."""
    return f"dicom.dead.forward.*.{token(origin)}.{token(study)}"


def commit(inbox: str, calling_ae_title: str, transaction: str) -> str:
    """A request for storage commitment; one caller's transaction is asked for once at a time."""
    return f"dicom.commit.{token(inbox)}.{token(calling_ae_title)}.{token(transaction)}"


def commits(inbox: str) -> str:
    """All of them, of an inbox."""
    return f"dicom.commit.{token(inbox)}.>"


def committed(process: str) -> str:
    """Where the results go for associations that a process of scp holds."""
    return f"dicom.committed.{token(process)}"


def audit(service: str, event: str, outcome: str, origin: str) -> str:
    """Records of what a service tells: by what happened, what became of it, and at which origin."""
    return f"dicom.audit.{token(service)}.{event}.{outcome}.{token(origin)}"


def audits(
    service: str | None = None,
    event: str | None = None,
    outcome: str | None = None,
    origin: str | None = None,
) -> str:
    """All of them, or those alone that are named so."""
    of_service = "*" if service is None else token(service)
    at_origin = "*" if origin is None else token(origin)
    return f"dicom.audit.{of_service}.{event or '*'}.{outcome or '*'}.{at_origin}"


def load(service: str, process: str) -> str:
    """What a process of a face tells of the requests that it is at."""
    return f"dicom.load.{token(service)}.{token(process)}"


def loads() -> str:
    """What all of them tell."""
    return "dicom.load.*.*"
