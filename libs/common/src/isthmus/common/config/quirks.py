"""What is told of a DIMSE origin because it cannot be found out, or costs an attempt each time.

Each has a section in docs/quirks.md; the many misbehaviours that are found out by themselves are there too.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator

from isthmus.common.config.nearest import did_you_mean


class Quirk(StrEnum):
    """A misbehaviour of an origin, by the name that it has in the settings."""

    NO_CANCEL = "no-cancel"
    """Takes a C-CANCEL badly: its operations are ended by A-ABORT at once."""
    UNCOMPRESSED_ONLY = "uncompressed-only"
    """Fails where compressed transfer syntaxes are offered: a C-GET offers none, at first."""
    NO_SERIES_LEVEL_RETRIEVE = "no-series-level-retrieve"
    """Retrieves no series as such: they are asked for by the UIDs of their instances."""
    NO_IMAGE_LEVEL_RETRIEVE = "no-image-level-retrieve"
    """Retrieves no instances by their UIDs: their series is asked for."""
    NO_UID_LISTS = "no-uid-lists"
    """Retrieves one instance at a time, and knows no lists of UIDs."""
    WRONG_COUNTS = "wrong-counts"
    """Its Number of Series Related Instances says nothing: each series is listed."""


def _quirk(value: object) -> object:
    if isinstance(value, str) and value not in frozenset(Quirk):
        raise ValueError(f"{value!r} is no quirk{did_you_mean(value, Quirk)}")
    return value


QuirkName = Annotated[Quirk, BeforeValidator(_quirk)]
"""A quirk in the settings; for an unknown one the nearest is named."""
