"""The levels of the Study Root Query/Retrieve Information Model (PS3.4 C.6.2)."""

from enum import Enum


class Level(Enum):
    """A level; the value is its Query/Retrieve Level (0008,0052)."""

    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"

    @property
    def depth(self) -> int:
        """How far it is from the top: 0 for STUDY."""
        return list(Level).index(self)

    def __lt__(self, other: "Level") -> bool:
        """Tell whether it is above the other."""
        return self.depth < other.depth

    def __le__(self, other: "Level") -> bool:
        """Tell whether it is above the other, or the same."""
        return self.depth <= other.depth
