"""How many associations there may be at one time, and how long one may take to begin."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from isthmus.common.config.networks import counted_as
from isthmus.common.config.settings import Scp
from isthmus.scp.callers import Calling


@dataclass(frozen=True, slots=True)
class AssociationLimits:
    """What the listener holds everybody to."""

    associations: int
    per_ae_title: int
    """Of one calling AE title."""
    per_address: int
    """From one IP address; of IPv6 from one network of 64 bits."""
    negotiation_seconds: float
    """For the request of an association to come, and after a rejection for its end (ARTIM, PS3.8 9.1.5)."""

    @classmethod
    def of(cls, settings: Scp) -> Self:
        """Take them from the settings."""
        return cls(
            settings.max_associations,
            settings.max_associations_per_ae_title,
            settings.max_associations_per_address,
            settings.negotiation_seconds,
        )

    def reached_for(self, calling: Calling, running: Iterable[Calling]) -> bool:
        """Tell whether there are as many associations as may be, for somebody who asks for one more.

        Args:
            calling: who asks.
            running: whose associations there are.
        """
        others = [*running]
        title, address = calling.calling_ae_title.strip(), counted_as(calling.address)
        return (
            len(others) >= self.associations
            or sum(other.calling_ae_title.strip() == title for other in others) >= self.per_ae_title
            or sum(counted_as(other.address) == address for other in others) >= self.per_address
        )
