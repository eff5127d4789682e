"""Whether a server compares what was meant, or what stands in the URL (RFC 3986 2.1).

Some, Orthanc 1.10 with its plugin 1.7 for one, take `%5E` for three characters: a search by a name of two
components, or by one that is not ASCII, finds nothing there.
"""

from typing import Final

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.errors import HttpOperationFailed
from isthmus.common.telemetry import get_logger
from isthmus.common.webclient import WebClient

NAMES_AT_MOST: Final = 3
"""That a server is searched by, to find it out."""
STUDIES: Final = 100
"""Whose patients' names are looked at."""
_NAME: Final = tag_of("PatientName")

log = get_logger(__name__)


class Unescaping:
    """What is known of one server."""

    def __init__(self, client: WebClient, origin: str) -> None:
        """Know nothing yet.

        Args:
            client: speaks with the server.
            origin: its name.
        """
        self._client = client
        self._origin = origin
        self.known: bool | None = None
        """None: nobody has found out."""

    async def found_out(self) -> bool:
        """Tell whether it compares what was meant, which it is taken to where that cannot be found out.

        It is searched by the name of a patient that it has.

        Raises:
            OriginError: it does not answer.
        """
        if self.known is None:
            try:
                self.known = await self._finds_by_escaped_names()
            except HttpOperationFailed:
                return True
            if self.known is False:
                log.warning("the server does not unescape what it searches by", origin=self._origin)
        return self.known is not False

    async def _finds_by_escaped_names(self) -> bool | None:
        some = await self._client.get_json("studies", [("limit", str(STUDIES))])
        names = list(dict.fromkeys(filter(_is_telling, map(_name, some.data_sets))))[:NAMES_AT_MOST]
        for name in names:
            answer = await self._client.get_json("studies", [(_NAME, name), ("limit", "1")])
            if answer.data_sets:
                return True
        return False if names else None


def _is_telling(name: str) -> bool:
    """Tell whether nothing but escaping stands between a name and its being found."""
    return name.isascii() and "^" in name.strip("^") and not set(name) & set("*?\\,-")


def _name(study: DicomJson) -> str:
    values = study.get(_NAME, {}).get("Value") or [None]
    group = values[0].get("Alphabetic") if isinstance(values[0], dict) else None
    return group if isinstance(group, str) else ""
