"""What lacks, as it is told: by name, as far as there are names and room for them."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from isthmus.common.dicom.uids import LONGEST_UID
from isthmus.common.messages import MissingInstance
from isthmus.common.retrieving.listing import Listed

NAMED_AT_MOST: Final = 1000
"""How many missing instances a fact names: a message has room for 1 MiB."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Instances that the origin has and did not deliver."""

    named: tuple[MissingInstance, ...] = ()
    unnamed: int = 0
    """How many more."""

    @classmethod
    def of(cls, instances: Sequence[MissingInstance], unnamed: int = 0) -> Self:
        """Name as many as there is room for."""
        named = tuple(instances[:NAMED_AT_MOST])
        return cls(named, unnamed + len(instances) - len(named))

    @classmethod
    def of_listed(cls, lacks: Iterable[Listed], received: Collection[str], uncounted: int = 0) -> Self:
        """Name what is listed and has not come.

        Of several that are listed under one cut UID one may have come, by that very name, or each by its own.

        Args:
            lacks: those that lack, all or in part.
            received: the SOP Instance UIDs of what has come.
            uncounted: how many more lack of which nothing is known but that.
        """
        names: list[MissingInstance] = []
        cut: Counter[str] | None = None
        for one in lacks:
            number = one.count
            if len(one.sop_instance_uid) == LONGEST_UID:
                cut = cut or Counter(uid[:LONGEST_UID] for uid in received)
                number -= cut[one.sop_instance_uid]
            if one.sop_instance_uid not in received:
                names.append(one.missing)
                number -= 1
            uncounted += number
        return cls.of(names, uncounted)

    def __len__(self) -> int:
        """Count them."""
        return len(self.named) + self.unnamed
