"""What a PACS may do to C-FIND."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from tests.pacs.archive import UNIQUE_KEYS
from tests.pacs.behaviour import Behaviour, Fails
from tests.pacs.events import Operation

FIND: Final = frozenset({Operation.FIND})
LONGEST_UID: Final = 64
_SHUFFLED: Final = count()
"""How often it was done."""


@dataclass(frozen=True, kw_only=True)
class IgnoresMatchingKeys(Behaviour):
    """Finds what these keys exclude: the named ones, or all but the UIDs of the hierarchy."""

    operations = FIND
    keywords: Sequence[str] = ()

    def ignored_keys(self, keywords: Sequence[str]) -> set[str]:
        return set(self.keywords or keywords) - UNIQUE_KEYS


@dataclass(frozen=True, kw_only=True)
class IgnoresUIDs(Behaviour):
    """Finds what these unique keys exclude, such as Series Instance UID at IMAGE level."""

    operations = FIND
    keywords: Sequence[str]

    def ignored_keys(self, keywords: Sequence[str]) -> set[str]:
        return set(self.keywords)


@dataclass(frozen=True, kw_only=True)
class FindFails(Behaviour):
    """Ends C-FIND with a failure status after so many matches, if it has as many."""

    operations = FIND
    status: int
    matches: int = 0

    def on_match(self, number: int) -> None:
        if number == self.matches:
            raise Fails(self.status)


@dataclass(frozen=True, kw_only=True)
class FindEndsLate(Behaviour):
    """Gives all matches of C-FIND, and waits before it says that there are no more."""

    operations = FIND
    seconds: float

    def pause_seconds(self) -> float:
        return self.seconds


@dataclass(frozen=True, kw_only=True)
class LosesFile(Behaviour):
    """Has lost an instance's file: what is asked beyond its index fails at IMAGE level, as with Orthanc."""

    operations = FIND
    status: int = 0xC000

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        if level == "IMAGE" and any("SOPClassUID" in match for match in matches):
            raise Fails(self.status)
        return matches


@dataclass(frozen=True, kw_only=True)
class CapsMatches(Behaviour):
    """Says success after so many matches at IMAGE level, as if there were no more."""

    operations = FIND
    at_most: int

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        return matches[: self.at_most] if level == "IMAGE" else matches


@dataclass(frozen=True, kw_only=True)
class ListsMore(Behaviour):
    """Lists an instance that it has not, beside the others of a series."""

    operations = FIND
    sop_instance_uid: str

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        if level != "IMAGE" or not matches:
            return matches
        phantom = deepcopy(matches[-1])
        phantom.SOPInstanceUID = self.sop_instance_uid
        return [*matches, phantom]


@dataclass(frozen=True, kw_only=True)
class CountsWrongly(Behaviour):
    """Gives a wrong Number of Series Related Instances, or none."""

    operations = FIND
    count: int | None = None

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        for match in matches:
            if "NumberOfSeriesRelatedInstances" in match:
                match.NumberOfSeriesRelatedInstances = self.count
        return matches


@dataclass(frozen=True, kw_only=True)
class LeavesOut(Behaviour):
    """Does not know these attributes: it neither matches by them nor gives them back."""

    operations = FIND
    keywords: Sequence[str]

    def ignored_keys(self, keywords: Sequence[str]) -> set[str]:
        return set(self.keywords)

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        for match in matches:
            for keyword in self.keywords:
                if keyword in match:
                    delattr(match, keyword)
        return matches


@dataclass(frozen=True, kw_only=True)
class Shuffles(Behaviour):
    """Gives its matches in another order each time."""

    operations = FIND

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        dice = Random(next(_SHUFFLED))
        return dice.sample(matches, len(matches))


@dataclass(frozen=True, kw_only=True)
class TellsAvailability(Behaviour):
    """Says whether what it has is online, where it is asked."""

    operations = FIND
    availability: str

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        for match in matches:
            if "InstanceAvailability" in match:
                match.InstanceAvailability = self.availability
        return matches


@dataclass(frozen=True, kw_only=True)
class ListsCutUIDs(Behaviour):
    """Cuts SOP Instance UIDs in matches to the 64 characters that they may have."""

    operations = FIND

    def select_matches(self, level: str, matches: list[Dataset]) -> list[Dataset]:
        for match in matches:
            if "SOPInstanceUID" in match:
                # An element of its own: the one that is there is the archive's.
                cut = str(match.SOPInstanceUID)[:LONGEST_UID]
                match.add(DataElement(match["SOPInstanceUID"].tag, "UI", cut, validation_mode=0))
        return matches
