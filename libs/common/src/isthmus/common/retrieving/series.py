"""What a job knows of one series: what is held, what the origin lists, and what has come of it."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from isthmus.common.errors import OriginError
from isthmus.common.messages import BlobRef
from isthmus.common.retrieval.manifest import HeldSeries, Manifest
from isthmus.common.retrieving.listing import Listed, ListedSeries, Listing, is_listed, lacking, number_of

REMEMBERED_SECONDS: Final = 600.0
"""For how long what the origin could not deliver is not asked for again."""


class Standing(Enum):
    """How a series stands when a job begins."""

    CONFIRMED = auto()
    """The origin lists as many instances as it did when all of them were here."""
    DOUBTFUL = auto()
    """All were here once; whether the origin still lists the same is to be seen instance by instance."""
    PARTIAL = auto()
    """Some are here, of this job's earlier worker or of another job."""
    COLD = auto()
    """Nothing is here."""


@dataclass(slots=True, eq=False)
class Series:
    """A series in the scope of a job."""

    listed_as: ListedSeries
    standing: Standing
    before: HeldSeries
    """What the manifest says of it."""
    set_aside: frozenset[str] = frozenset()
    """SOP Instance UIDs of what the origin could not deliver a short while ago: not asked for again."""
    listing: Listing | None = None
    """The instances, once they are listed."""
    listed_at: float = 0.0
    unlisted: OriginError | None = None
    """Why they could not be listed."""
    asked_whole: bool = False
    """Whether the whole series was asked for, in the first way."""
    sent_whole: bool = False
    """Whether the origin sent something when asked for the whole series, and said that this was all."""
    pulling: bool = False
    announced: bool = False
    """Whether what is held of it is published, and known which instances it should have."""
    told: bool = False
    """Whether its end is published."""
    listing_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def uid(self) -> str:
        """The Series Instance UID."""
        return self.listed_as.series_instance_uid

    @property
    def is_known(self) -> bool:
        """Whether it is known which instances it should have."""
        return self.listing is not None or self.standing is Standing.CONFIRMED

    @property
    def is_list_short(self) -> bool:
        """Whether the list is known to be no whole list: some origins stop after a number of matches.

        They count more than they list, or they list again what they did when more than that came.
        """
        if self.listing is None:
            return False
        listed, before = number_of(self.listing), self.before
        counted = self.listed_as.count
        was_short = before.listed is not None and before.listed < len(before.instances)
        return (counted is not None and counted > listed) or (was_short and listed == before.listed)

    def is_there(self, sop_instance_uid: str) -> bool:
        """Tell whether what was held is still at the origin, as far as is known."""
        return self.listing is None or self.is_list_short or is_listed(sop_instance_uid, self.listing)

    def held(self) -> list[BlobRef]:
        """Give what is held and, as far as is known, still at the origin."""
        blobs = (one.blob for one in self.before.instances)
        return [blob for blob in blobs if self.is_there(blob.sop_instance_uid)]

    def is_unchanged(self) -> bool:
        """Tell whether the origin lists just what is held, and what it could not deliver."""
        if self.listing is None:
            return self.standing is Standing.CONFIRMED
        if self.beyond_the_list(len(self.before.instances), len(self.before.missing)):
            return False
        here = {one.blob.sop_instance_uid for one in self.before.instances}
        here.update(one.sop_instance_uid for one in self.before.missing)
        return all(self.is_there(uid) for uid in here) and not lacking(self.listing.values(), here)

    def beyond_the_list(self, arrived: int, lacks: int) -> int:
        """Count what the origin counts beside what is here, and the `lacks` that are listed.

        Where list and transfer agree, now or when the origin last counted as many, it is the count that is
        wrong. A transfer that broke off, or brought nothing, agrees with nobody.
        """
        counted = self.listed_as.count
        if self.listing is None or counted is None or counted <= number_of(self.listing):
            return 0
        agreed = self.sent_whole or (self.before.is_whole and counted == self.before.counted)
        if agreed and arrived <= number_of(self.listing):
            return 0
        return max(0, counted - arrived - lacks)

    @property
    def is_to_be_tried_again(self) -> bool:
        """Whether the origin could not deliver something when it was asked, and may be able to now."""
        return any(one.sop_instance_uid not in self.set_aside for one in self.before.missing)

    def expected(self) -> Iterable[Listed]:
        """Give what is known to be at the origin, as far as it is not here from the start."""
        if self.listing is not None:
            return self.listing.values()
        if self.standing is Standing.CONFIRMED:
            return [
                Listed(self.uid, one.sop_instance_uid, "", self.listed_as.modality)
                for one in self.before.missing
            ]
        return ()

    def lacking(self, received: Collection[str]) -> list[Listed]:
        """Give what the origin has and did not send."""
        return lacking(self.expected(), received)

    def to_be_brought(self) -> list[Listed]:
        """Give what the origin has, without what it could not deliver a short while ago."""
        return [one for one in self.expected() if one.sop_instance_uid not in self.set_aside]

    def to_be_pulled(self, received: Collection[str]) -> list[Listed]:
        """Give what lacks and is to be asked for."""
        return lacking(self.to_be_brought(), received)


def plan(
    listed: Sequence[ListedSeries], manifest: Manifest | None, begun: Collection[str], now: float
) -> list[Series]:
    """Compare what the origin lists with what is held.

    Args:
        listed: the series that the origin lists.
        manifest: what is held of their study.
        begun: series of which an earlier worker of the same job has brought something.
        now: seconds since 1970.
    """
    held = {one.series_instance_uid: one for one in manifest.series} if manifest is not None else {}
    series = []
    for one in listed:
        uid = one.series_instance_uid
        before = held.get(uid, HeldSeries(uid, ()))
        young = now - before.tried < REMEMBERED_SECONDS
        set_aside = frozenset(missing.sop_instance_uid for missing in before.missing if young)
        series.append(Series(one, _standing(one, before, uid in begun), before, set_aside))
    return series


def _standing(listed: ListedSeries, before: HeldSeries, begun: bool) -> Standing:
    if before.is_whole:
        # More may have come than is listed, where lists are cut short.
        whole = max(before.listed or 0, len(before.instances) + len(before.missing))
        return Standing.CONFIRMED if listed.count == whole else Standing.DOUBTFUL
    return Standing.PARTIAL if before.instances or begun else Standing.COLD
