"""Asking a server for the matches of a query, in whichever way it understands."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from hashlib import sha256
from http import HTTPStatus
from typing import Final, TypeVar

import msgpack

from isthmus.common.bus.fan_out import fan_out
from isthmus.common.config import DicomwebOrigin
from isthmus.common.dicom.attributes import AttributePath
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.search_attributes import REQUIRED_RETURN, uid_of
from isthmus.common.errors import HttpOperationFailed
from isthmus.common.messages import Query
from isthmus.common.telemetry import get_logger
from isthmus.common.webclient import NO_MATCH, WebClient, pages
from isthmus.web_scu.dicomweb.matches import cleaned
from isthmus.web_scu.dicomweb.relational import Parents
from isthmus.web_scu.dicomweb.resources import Search, searches_of
from isthmus.web_scu.dicomweb.unescaping import Unescaping

_UNKNOWN: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)
"""How a server says that it does not know a resource, which need not be there (PS3.18 10.6.1.1)."""

log = get_logger(__name__)

T = TypeVar("T")


class Asking:
    """Asks one origin."""

    def __init__(self, client: WebClient, origin: DicomwebOrigin, max_parents: int) -> None:
        """Ask nothing yet.

        Args:
            client: speaks with the server.
            origin: its settings.
            max_parents: most studies, and most series, that a relational query is repeated for.
        """
        self._client = client
        self._origin = origin
        self._max_parents = max_parents
        self._refused: set[tuple[object, ...]] = set()
        self._not_relational: set[tuple[object, ...]] = set()
        self._unescaping = Unescaping(client, origin.name)

    async def matches(self, query: Query) -> AsyncGenerator[DicomJson, None]:
        """Give all that matches, once, and perhaps more: a server need not match every key.

        They come in the server's order; where several searches are needed, those of the first one first.

        Raises:
            OriginError: the server failed; what was given until then is not the whole.
            TooManyMatches: it would take more requests than the cap allows.
        """
        searches = searches_of(query)
        if len(searches) == 1:
            async with aclosing(self._search(searches[0])) as found:
                async for match in found:
                    yield match
            return

        async def collect(search: Search) -> list[DicomJson]:
            async with aclosing(self._search(search)) as found:
                return [match async for match in found]

        seen: set[bytes] = set()
        async with fan_out(searches, collect, self._origin.connections) as families:
            async for _, family in families:
                marks = {_mark(match): match for match in family}
                for mark, match in marks.items():
                    if mark not in seen:
                        yield match
                seen.update(marks)

    async def _search(self, search: Search) -> AsyncGenerator[DicomJson, None]:
        """Search; over several levels one after the other, where the server does not do it at once."""
        shape = (search.query.level, search.path.count("/"))
        if shape not in self._not_relational:
            came = False
            try:
                async with aclosing(self._listed(search)) as found:
                    async for match in found:
                        came = True
                        yield match
            except HttpOperationFailed as error:
                if came or not search.is_relational or error.http_status not in NO_MATCH | _UNKNOWN:
                    raise
                if error.http_status in _UNKNOWN:
                    self._not_relational.add(shape)
                    log.info("no relational searches", origin=self._origin.name, status=error.http_status)
            else:
                return
        parents = Parents(search.query, self._max_parents)
        async with aclosing(parents.children(self.matches, self._origin.connections)) as found:
            async for match in found:
                yield match

    async def _listed(self, search: Search) -> AsyncGenerator[DicomJson, None]:
        """Search, and do not rely on the server to know lists of UIDs (PS3.18 8.3.4.1)."""
        found: set[str] = set()
        try:
            async with aclosing(self._unescaped(search)) as matches:
                async for match in matches:
                    found.add(uid_of(match, search.query.level))
                    yield match
        except HttpOperationFailed as error:
            if found or len(search.uids) < 2 or error.http_status != HTTPStatus.BAD_REQUEST:
                raise
        # Who finds two of a list understands it.
        if len(search.uids) > 1 and len(found) < 2:
            for uid in search.uids:
                if uid not in found:
                    async with aclosing(self._unescaped(search.only(uid))) as matches:
                        async for match in matches:
                            yield match

    async def _unescaped(self, search: Search) -> AsyncGenerator[DicomJson, None]:
        """Search, and do not rely on the server to unescape what it compares."""
        loosened = search.loosened()
        if loosened is None or self._unescaping.known is not False:
            came = False
            async with aclosing(self._understood(search)) as matches:
                async for match in matches:
                    came = True
                    yield match
            if loosened is None:
                return
            if came or await self._unescaping.found_out():
                return
        async with aclosing(self._understood(loosened)) as matches:
            async for match in matches:
                if _has_what_is_not_sent(match, search, loosened):
                    yield match

    async def _understood(self, search: Search) -> AsyncGenerator[DicomJson, None]:
        """Search, and where the server finds the request bad, with nothing in it that it need not know."""
        shape = (search.query.level, tuple(path for path, _ in search.matching), search.included)
        plain = search.plain()
        refusal: HttpOperationFailed | None = None
        for one in [plain] if shape in self._refused or search == plain else [search, plain]:
            came = False
            try:
                async with aclosing(self._pages(one)) as matches:
                    async for match in matches:
                        came = True
                        yield match
            except HttpOperationFailed as error:
                if came or error.http_status != HTTPStatus.BAD_REQUEST:
                    raise
                refusal = error
            else:
                if one != search:
                    self._refused.add(shape)
                return
        fewer = await self._with_fewer_keys(plain)
        if fewer is None:
            raise refusal or AssertionError
        async with aclosing(self._pages(fewer)) as matches:
            async for match in matches:
                if _has_what_is_not_sent(match, plain, fewer):
                    yield match

    async def _with_fewer_keys(self, search: Search) -> Search | None:
        """Give a search by the keys that the server takes, each by itself: many do not take all they have to.

        None where it takes each, or where all studies that it has would have to come over here. Nothing is
        remembered of it: it may be a value that it does not take.
        """
        taken = [one for one in search.matching if await self._is_taken(search.path, one)]
        is_confined = bool(taken or search.uids or "/" in search.path)
        if len(taken) == len(search.matching) or not is_confined:
            return None
        log.info("searched by fewer keys", origin=self._origin.name, keys=len(search.matching) - len(taken))
        return replace(search, matching=tuple(taken))

    async def _is_taken(self, path: str, key: tuple[AttributePath, str]) -> bool:
        try:
            await self._client.get_json(path, [(".".join(key[0]), key[1]), ("limit", "1")])
        except HttpOperationFailed as error:
            if error.http_status not in NO_MATCH | {HTTPStatus.BAD_REQUEST}:
                raise
            return error.http_status in NO_MATCH
        return True

    async def _pages(self, search: Search) -> AsyncGenerator[DicomJson, None]:
        came = False
        try:
            async with aclosing(pages(self._client, search.path, search.parameters())) as found:
                async for page in found:
                    for match in page.data_sets:
                        came = True
                        yield cleaned(match)
        except HttpOperationFailed as error:
            if came or error.http_status not in NO_MATCH or search.is_relational:
                raise
            if search.path == "studies":
                # It may also be that nothing is there: the URL in the settings is wrong.
                log.warning("studies not found", origin=self._origin.name, status=error.http_status)


def _has_what_is_not_sent(match: DicomJson, search: Search, sent: Search) -> bool:
    """Tell whether what a search is by and the server did not match is there to be matched here.

    What a server has to return, and leaves out of what it did not match, is not there.
    """
    untold = {path[0] for path, _ in search.matching} - {path[0] for path, _ in sent.matching}
    return untold & {*REQUIRED_RETURN[search.query.level]} <= match.keys()


def _mark(match: DicomJson) -> bytes:
    """Tell matches apart, by all of them: two patients' studies may have one UID."""
    return sha256(msgpack.packb(match)).digest()
