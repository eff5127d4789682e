"""What a check finds, and how the checks of one subject go on, or end with the first cause."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from isthmus.cli.doctor.causes import Cause


class Side(StrEnum):
    """Where something is to be changed."""

    OURS = "ours"
    """Here: the settings, this machine."""
    THEIRS = "theirs"
    """At the PACS, the server, whoever is asked."""
    NETWORK = "network"
    """Between the two: a firewall, a name server, a route."""


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WRONG = "wrong"
    UNCLEAR = "cannot tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong."""

    cause: Cause
    side: Side
    problem: str
    """What is wrong, in a sentence; it holds neither a patient's data nor a secret."""
    advice: tuple[str, ...]
    """What to change: a line for each thing to do, or for each product where it is called otherwise."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    subject: str
    """What it is of: `settings`, `origin pacs`, `nats`."""
    what: str
    verdict: Verdict
    detail: str = ""
    """What was found where it is well, or why it cannot be told."""
    finding: Finding | None = None


class Wrong(Exception):
    """Raised where a check finds a cause."""

    def __init__(self, cause: Cause, side: Side, problem: str, *advice: str) -> None:
        super().__init__(problem)
        self.finding = Finding(cause, side, problem, advice)


class Unclear(Exception):
    """Raised where a check cannot be done; what follows is."""


class Ended(Exception):
    """Ends the checks of a subject, of which a cause is found."""


class Listener(Protocol):
    """Hears of the checks as they are done."""

    def begins(self, subject: str, what: str) -> None:
        """Hear what is looked at now."""

    def ended(self, check: Check) -> None:
        """Hear how it ended."""


@dataclass(slots=True)
class Note:
    """What a check that is well has to say."""

    detail: str = ""


class Subject:
    """The checks of one thing, in their order."""

    def __init__(self, name: str, listener: Listener) -> None:
        self.name = name
        self._listener = listener

    @contextmanager
    def step(self, what: str, *, goes_on: bool = False) -> Iterator[Note]:
        """Do a check: the block raises `Wrong`, `Unclear`, or neither.

        Args:
            what: is looked at, in few words.
            goes_on: whether what follows can be tried although this is wrong.

        Raises:
            Ended: it is wrong, and what follows depends on it.
        """
        note = Note()
        self._listener.begins(self.name, what)
        try:
            yield note
        except Wrong as wrong:
            self._tell(what, Verdict.WRONG, finding=wrong.finding)
            if not goes_on:
                raise Ended from None
        except Unclear as unclear:
            self._tell(what, Verdict.UNCLEAR, str(unclear))
        else:
            self._tell(what, Verdict.OK, note.detail)

    def unclear(self, what: str, why: str) -> None:
        """Say of a check that it cannot be done."""
        self._tell(what, Verdict.UNCLEAR, why)

    def _tell(self, what: str, verdict: Verdict, detail: str = "", finding: Finding | None = None) -> None:
        self._listener.ended(Check(self.name, what, verdict, detail, finding))
