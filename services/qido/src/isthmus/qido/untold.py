"""What an origin does not tell of its matches though they were searched by it (PS3.4 C.2.2.1.3, C.4.1.1.4).

An origin that does not support an optional key gives what matches without it. Where it gives the attribute,
its worker has looked; where it does not, nobody can: then the client is told.
"""

from collections.abc import Mapping
from typing import Final, cast

from isthmus.common.dicom.attributes import AttributePath, keyword_of, tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.search_attributes import uid_of
from isthmus.qido.parameters import SearchParameters
from isthmus.qido.plan import Step

_DERIVED: Final = (tag_of("PatientAge"),)
"""Told by two dates, and no match without them."""


class Untold:
    """Looks at the matches of one search."""

    def __init__(self, parameters: SearchParameters) -> None:
        """Begin with nothing that is not told."""
        self._paths = frozenset(key.path for key in parameters.keys) - {_DERIVED}
        self._untold: set[AttributePath] = set()

    def look_at(self, match: DicomJson, step: Step) -> None:
        """Take note of what an origin's match does not tell of the keys of its level."""
        # One without a UID tells nothing, and nobody can ask for it.
        if uid_of(match, step.level):
            paths = self._paths.intersection(key.path for key in step.keys)
            self._untold.update(path for path in paths if not _is_told(match, path))

    def warnings(self, origin: str) -> tuple[str, ...]:
        """Say it, in the order of the tags."""
        return tuple(
            f"The origin {origin} does not give {_name(path)}: it is not known whether all matches have what"
            " was asked for"
            for path in sorted(self._untold)
        )


def _is_told(match: DicomJson, path: AttributePath) -> bool:
    tag, *below = path
    element = match.get(tag)
    if element is None:
        return False
    items = [item for item in element.get("Value", ()) if isinstance(item, Mapping)] if below else []
    return all(_is_told(cast(DicomJson, item), tuple(below)) for item in items)


def _name(path: AttributePath) -> str:
    return ".".join(keyword_of(tag) or tag for tag in path)
