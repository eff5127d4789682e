"""What an origin says it has: a study's series, and their instances."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from isthmus.common.dicom.uids import LONGEST_UID
from isthmus.common.messages import MissingInstance


@dataclass(frozen=True, slots=True)
class ListedSeries:
    """A series that the origin lists."""

    series_instance_uid: str
    modality: str
    count: int | None
    """Number of Series Related Instances (0020,1209), where the origin tells it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An instance that the origin lists."""

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    """Empty where the origin does not say."""
    modality: str
    count: int = 1
    """How many instances the origin lists under this UID: several, where it cuts those that are too long."""

    @property
    def missing(self) -> MissingInstance:
        """The instance, as one that was not delivered."""
        return MissingInstance(self.series_instance_uid, self.sop_instance_uid)


Listing = Mapping[str, Listed]
"""By SOP Instance UID."""


def lacking(listed: Iterable[Listed], received: Collection[str]) -> list[Listed]:
    """Give those that have not come, or of which not all that are listed under their UID have.

    Some origins list over-long UIDs cut to what the standard allows, and send them whole.
    """
    cut: Counter[str] | None = None
    missing = []
    for one in listed:
        uid = one.sop_instance_uid
        if one.count == 1 and uid in received:
            continue
        if len(uid) == LONGEST_UID:
            if cut is None:
                cut = Counter(name[:LONGEST_UID] for name in received)
            if cut[uid] >= one.count:
                continue
        missing.append(one)
    return missing


def is_listed(sop_instance_uid: str, listing: Listing) -> bool:
    """Tell whether an instance is listed, be it under its cut UID."""
    return sop_instance_uid in listing or sop_instance_uid[:LONGEST_UID] in listing


def number_of(listing: Listing) -> int:
    """Count the instances."""
    return sum(one.count for one in listing.values())


def with_one_more(listing: Listing, found: Listed) -> Listed:
    """Give what is found as it stands in a listing with it: some list several under one cut UID."""
    return replace(found, count=_others(listing.get(found.sop_instance_uid)) + 1)


def _others(listed: Listed | None) -> int:
    """Tell how many other instances are listed under a UID, which may be a cut one."""
    return listed.count if listed is not None and len(listed.sop_instance_uid) == LONGEST_UID else 0
