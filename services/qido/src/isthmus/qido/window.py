"""Which of the matches of a search make a page, whatever the order in which they come (PS3.18 8.3.4.4)."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Final

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import uid_of

IDENTITY_BYTES: Final = 8


def identity(match: DicomJson, level: Level) -> bytes:
    """Name a match of a level by its UIDs, in 8 bytes that do not tell them."""
    uids = "\n".join(uid_of(match, each) for each in Level if each <= level)
    return hashlib.blake2b(uids.encode("utf-8", "surrogatepass"), digest_size=IDENTITY_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Window:
    """What a client wants of the matches."""

    limit: int
    """Most matches of the page."""
    skip: int = 0
    """How many of the matches that were never given go before those that are wanted."""
    given: tuple[bytes, ...] = ()
    """The identities of the matches on earlier pages: none of them is on this one."""
    expected: tuple[bytes, ...] = ()
    """Those of this page as it was given before: they come first, in this order, as far as they are there."""

    @property
    def offset(self) -> int:
        """How many matches are before the page."""
        return len(self.given) + self.skip


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the answer to a search."""

    matches: list[DicomJson]
    more: bool
    """There are others beyond it."""
    remaining: int | None = None
    """How many, where it is known: DIMSE tells no total."""
    passed: tuple[bytes, ...] = ()
    """The identities of the matches that were skipped, and of those on the page, in their order."""
    warnings: tuple[str, ...] = ()
    """What the client must know of it."""
    origins: tuple[str, ...] = ()
    """The name of the origin of each match; none where it is that of the search."""


class Filling:
    """A page that is being filled with matches as they come."""

    def __init__(self, window: Window, level: Level) -> None:
        self._window = window
        self._level = level
        self._given = Counter(window.given)
        self._expected = Counter(window.expected)
        self._again: dict[bytes, list[DicomJson]] = {}
        self._skipped: list[bytes] = []
        self._others: list[tuple[bytes, DicomJson]] = []
        self.beyond = 0
        """Matches that came when there was no room for them."""

    @property
    def wanting(self) -> bool:
        """Whether matches that were on this page before are still to come."""
        return self._expected.total() > 0

    def add(self, match: DicomJson) -> None:
        """Take a match: into the page, or as one of those before or beyond it."""
        name = identity(match, self._level)
        if self._given[name] > 0:
            self._given[name] -= 1
        elif self._expected[name] > 0:
            self._expected[name] -= 1
            self._again.setdefault(name, []).append(match)
        elif len(self._skipped) < self._window.skip:
            self._skipped.append(name)
        elif len(self._others) < self._window.limit:
            self._others.append((name, match))
        else:
            self.beyond += 1

    @property
    def surplus(self) -> int:
        """How many matches there are beyond the page, of those that came."""
        room = self._window.limit - sum(map(len, self._again.values()))
        return self.beyond + max(0, len(self._others) - room)

    def found(self, *, more: bool, remaining: int | None) -> Found:
        """Give the page."""
        again = {name: list(matches) for name, matches in self._again.items()}
        page = [(name, again[name].pop(0)) for name in self._window.expected if again.get(name)]
        page += self._others[: self._window.limit - len(page)]
        return Found(
            [match for _, match in page], more, remaining, (*self._skipped, *(name for name, _ in page))
        )
