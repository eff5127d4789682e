"""Searches of a DICOMweb server's worklist: the scheduled procedure steps that match (PS3.18 14.4)."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self

from isthmus.common.bus import MatchWriter
from isthmus.common.config import DicomwebOrigin
from isthmus.common.dicom.attributes import AttributePath, is_private, tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.search_attributes import NOT_SEARCHED
from isthmus.common.dicom.worklist import WorklistMatcher
from isthmus.common.errors import HttpOperationFailed, NoAcceptedContext
from isthmus.common.messages import WorklistQuery
from isthmus.common.webclient import WebClient, pages
from isthmus.web_scu.dicomweb.matches import cleaned
from isthmus.web_scu.dicomweb.resources import Parameter, sent_value

LONGEST_LIST: Final = 4_000
"""Characters of `includefield`: not every server takes a URL of more than 8,000 (RFC 9110 4.1)."""
_ALL: Final = "all"
_REQUIRED: Final = frozenset((tag_of(keyword),) for keyword in ("PatientName", "PatientID"))
"""What every worklist has to match (PS3.4 Table K.6-1), but for what is in the sequence of the step."""
_ABSENT: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
"""How a server says that it has no such resource; that nothing matches, it says by 200 or 204."""


class WorklistWork:
    """Answers `dicom.worklist` of one origin."""

    def __init__(self, client: WebClient, origin: DicomwebOrigin) -> None:
        self._client = client
        self._origin = origin
        self._refused: set[tuple[AttributePath, ...]] = set()
        """The attributes of queries that the server calls bad as they are."""

    async def __call__(self, query: WorklistQuery, writer: MatchWriter) -> None:
        """Search; the writer gets only what does match, in the server's order.

        Raises:
            NoAcceptedContext: the server has no worklist.
            OriginError: the server failed; what was written until then is not the whole.
        """
        matcher = WorklistMatcher(query.keys)
        asked = {path[0] for path in query.return_keys}
        async with aclosing(self._understood(query)) as matches:
            async for match in matches:
                if matcher.matches(match):
                    await writer.add({tag: element for tag, element in match.items() if tag in asked})

    async def _understood(self, query: WorklistQuery) -> AsyncGenerator[DicomJson, None]:
        """Search, in the first of the ways that the server does not find bad."""
        *ways, last = _Search.of(query).ways()
        refused = []
        for search in (*(way for way in ways if way.attributes not in self._refused), last):
            came = False
            try:
                async with aclosing(self._found(search)) as matches:
                    async for match in matches:
                        came = True
                        yield match
                break
            except HttpOperationFailed as error:
                if came or error.http_status != HTTPStatus.BAD_REQUEST or search == last:
                    raise
                refused.append(search.attributes)
        self._refused.update(refused)

    async def _found(self, search: "_Search") -> AsyncGenerator[DicomJson, None]:
        came = False
        try:
            parameters = search.parameters()
            async with aclosing(pages(self._client, self._origin.worklist, parameters)) as found:
                async for page in found:
                    for match in page.data_sets:
                        came = True
                        yield cleaned(match)
        except HttpOperationFailed as error:
            if came or error.http_status not in _ABSENT:
                raise
            detail = f"It has no worklist: HTTP {error.http_status}"
            raise NoAcceptedContext(detail, origin=self._origin.name) from None


@dataclass(frozen=True, slots=True)
class _Search:
    """What a server is asked, but for the page; in tags, since it may not know every keyword."""

    matching: tuple[tuple[AttributePath, str], ...]
    included: tuple[AttributePath, ...]
    """What it is to return beside what it matches; none: all that it has."""

    @classmethod
    def of(cls, query: WorklistQuery) -> Self:
        """Give what narrows the answer, and each attribute that is wanted of it, of items of sequences too.

        A sequence as a whole would not do: where one of its attributes is matched, some return that alone.
        """
        matching = tuple(_matching(query))
        matched = {path for path, _ in matching}
        wanted = dict.fromkeys([*query.return_keys, *(key.path for key in query.keys)])
        return cls(matching, tuple(path for path in wanted if path not in matched and _is_asked(path)))

    @property
    def attributes(self) -> tuple[AttributePath, ...]:
        """Which attributes are in it."""
        return (*(path for path, _ in self.matching), *self.included)

    def ways(self) -> tuple[Self, ...]:
        """Give this search, and what finds the same of servers that call it bad: more, to be matched here.

        First without the paths of what is to be returned, then with what every worklist understands. Nothing
        is matched in a sequence then: some would return that alone of it. What no URL holds is left out.
        """
        outermost = tuple(one for one in self.matching if len(one[0]) == 1)
        matched = {path for path, _ in outermost}
        whole = dict.fromkeys(path[:1] for path in self.attributes if path[:1] not in matched)
        required = tuple(one for one in outermost if one[0] in _REQUIRED)
        ways = (self, type(self)(outermost, tuple(whole)), type(self)(required, ()))
        return tuple(dict.fromkeys(way for way in ways if len(way.includefield) <= LONGEST_LIST))

    def parameters(self) -> tuple[Parameter, ...]:
        """Give the parameters (PS3.18 8.3.4)."""
        named = ((_written(path), value) for path, value in self.matching)
        return (*named, ("includefield", self.includefield))

    @property
    def includefield(self) -> str:
        """The value of that parameter (PS3.18 8.3.4.3)."""
        return ",".join(map(_written, self.included)) or _ALL


def _matching(query: WorklistQuery) -> Iterator[tuple[AttributePath, str]]:
    for key in query.keys:
        value = sent_value(key, fuzzy=False)
        if value and _is_asked(key.path):
            yield key.path, value


def _is_asked(path: AttributePath) -> bool:
    return path[0] not in NOT_SEARCHED and not is_private(path)


def _written(path: AttributePath) -> str:
    return ".".join(path)
