"""What all that work on one retrieve job share."""

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from isthmus.common.bus.jobs import Lane
from isthmus.common.errors import IsthmusError, OriginError
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval.manifest import Manifest
from isthmus.common.retrieving.delivery import Delivery
from isthmus.common.retrieving.facts import Facts
from isthmus.common.retrieving.listing import Listed, lacking
from isthmus.common.retrieving.missing import Missing
from isthmus.common.retrieving.series import Series
from isthmus.common.retrieving.source import Pulls, Source


@dataclass(slots=True, eq=False)
class Job:
    """A retrieve job, its means, and what has become of it so far."""

    wanted: Retrieve
    source: Source
    lane: Lane
    delivery: Delivery
    pulls: Pulls
    facts: Facts
    began: float = field(default_factory=time.time)
    """Seconds since 1970."""
    manifest: Manifest | None = None
    """What was held when it began."""
    begun: Collection[str] = ()
    """Series of which an earlier worker has brought something."""
    surveyed: float | None = None
    """When the origin was asked for its series, if it answered."""
    series: list[Series] = field(default_factory=list)
    """Those in the scope of the job."""
    refused: dict[str, OriginError] = field(default_factory=dict)
    """SOP Instance UIDs of what the origin did not send when asked for it alone, by any method."""
    alone: Listed | None = None
    """The one instance that is wanted, as the origin lists it."""
    seen: dict[str, float] = field(default_factory=dict)
    """When the origin listed single instances: SOP Instance UIDs and seconds since 1970."""
    gone: set[str] = field(default_factory=set)
    """SOP Instance UIDs that it lists no more."""

    @property
    def is_for_instance(self) -> bool:
        """Whether one instance alone is wanted."""
        return self.wanted.series is not None and self.wanted.instance is not None

    @property
    def priority(self) -> int:
        """How it stands in line where it has to wait for its turn: nobody waits for a bulk job."""
        return 1 if self.lane is Lane.BULK else 0

    def arrived(self) -> Counter[str]:
        """Count what is here, by series."""
        return Counter(blob.series_instance_uid for blob in self.delivery.blobs.values())

    def missing(self) -> Missing:
        """Give what the origin has and did not deliver, now or before."""
        received = self.delivery.received
        if self.alone is not None:
            return Missing.of_listed(lacking([self.alone], received), received)
        return self.missing_of(self.series)

    def missing_of(self, series: Iterable[Series]) -> Missing:
        """Give what the origin has of some series and did not deliver."""
        received = self.delivery.received
        arrived = self.arrived()
        lacks: list[Listed] = []
        beyond = 0
        for one in series:
            of_it = one.lacking(received)
            lacks += of_it
            beyond += one.beyond_the_list(arrived[one.uid], sum(listed.count for listed in of_it))
        return Missing.of_listed(lacks, received, beyond)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job has ended."""

    failure: IsthmusError | None = None
    """What stands against calling it whole."""
    confirmed: bool = False
    """Whether all was held, and is as it was."""
    unlisted: bool = False
    """Whether more may lack than is known: a list could not be had, or the work did not come to its end."""
