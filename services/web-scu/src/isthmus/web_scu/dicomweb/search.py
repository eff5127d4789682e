"""Searches of a DICOMweb server (PS3.18 10.6): all that matches, and nothing else."""

from collections.abc import Collection
from contextlib import aclosing
from typing import Final

from isthmus.common.bus import MatchWriter
from isthmus.common.config import DicomwebOrigin
from isthmus.common.dicom.attributes import tag_of, vr_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import Matcher
from isthmus.common.dicom.search_attributes import UNIQUE_KEYS
from isthmus.common.messages import Query
from isthmus.web_scu.dicomweb.asking import Asking
from isthmus.web_scu.dicomweb.complete import Completing
from isthmus.web_scu.dicomweb.resources import matched_here

_RETRIEVE_AE_TITLE: Final = tag_of("RetrieveAETitle")
_NOT_RETURNED: Final = frozenset({tag_of("RetrieveURL"), tag_of("SpecificCharacterSet")})
"""Where the server has it is nobody's concern, and JSON is UTF-8."""


class SearchWork:
    """Answers `dicom.query` of one origin."""

    def __init__(self, asking: Asking, origin: DicomwebOrigin) -> None:
        self._asking = asking
        self._origin = origin

    async def __call__(self, query: Query, writer: MatchWriter) -> None:
        """Search; the writer gets only what does match, in the server's order.

        Raises:
            OriginError: the server failed; what was written until then is not the whole.
            TooManyMatches: it would take more requests than the cap allows.
        """
        matcher = Matcher(query.keys, fuzzy=query.fuzzy)
        asked = {path[0] for path in query.return_keys} - _NOT_RETURNED
        asked.update(tag for level, tag in UNIQUE_KEYS.items() if level <= query.level)
        lacking: DicomJson = {tag: {"vr": vr_of(tag)} for tag in matched_here(query)}
        completing = Completing(query, self._asking.matches, self._origin.connections)
        async with aclosing(self._asking.matches(query)) as found:
            matches = completing.complete(found) if query.level is Level.STUDY else found
            async with aclosing(matches):
                async for match in matches:
                    if matcher.matches({**lacking, **match}):
                        await writer.add(self._returned(match, asked))

    def _returned(self, match: DicomJson, asked: Collection[str]) -> DicomJson:
        found = {tag: element for tag, element in match.items() if tag in asked}
        found[_RETRIEVE_AE_TITLE] = {"vr": "AE", "Value": [self._origin.ae_title]}
        return dict(sorted(found.items()))
