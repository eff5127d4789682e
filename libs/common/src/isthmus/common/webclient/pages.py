"""Searches page by page (PS3.18 8.3.4.4), until there is no more."""

from collections.abc import AsyncGenerator
from hashlib import sha256
from http import HTTPStatus
from typing import Final

import orjson

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.errors import HttpOperationFailed, MalformedAnswer
from isthmus.common.webclient.client import Parameters, WebClient
from isthmus.common.webclient.json_answer import JsonAnswer

PAGE: Final = 1000
SMALL_PAGE: Final = 100
"""Asked for where a large one is refused: some servers have a most of 200."""
_TOO_MUCH: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
"""Said of a page that is too large (PS3.18 Table 8.5-1)."""
LEAST_CAP: Final = 50
"""No server is known that gives fewer matches than this at a time unless there are no more."""
_MORE: Final = "additional results"
NO_MATCH: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""How some servers say that there is no match, and so no more."""


async def pages(
    client: WebClient, path: str, params: Parameters = (), *, most: int | None = None, page: int = PAGE
) -> AsyncGenerator[JsonAnswer, None]:
    """Search by limit and offset until the end, or until there are enough.

    A server may give fewer matches than it is asked for and have more; so a page that is not full ends the
    search only where it is empty, smaller than one before, too small for that, or brings nothing new.

    Args:
        client: of the origin.
        path: such as `studies`.
        params: query parameters, without limit and offset.
        most: matches at most.
        page: matches asked for at a time; fewer of a server that has called so many bad (400) before.

    Yields:
        Pages with one match at least, none of which was on a page before.

    Raises:
        MalformedAnswer: it gives the same page again for another offset, so that the rest cannot be had.
        OriginError: as `WebClient.get_json`.
    """
    asking = _Asking(client, path, list(params), most, page)
    seen = _Seen()
    offset, least = 0, LEAST_CAP
    full = has_more = False
    while most is None or offset < most:
        try:
            limit, answer = await asking.at(offset)
        except HttpOperationFailed as error:
            if offset and error.http_status in NO_MATCH and not has_more:
                return
            raise
        found = answer.data_sets
        has_more = _says_more(answer)
        fresh = seen.fresh(found)[: None if most is None else most - offset]
        if found and not fresh and (full or has_more or answer.is_part):
            detail = "It gives the same matches again for another offset"
            raise MalformedAnswer(detail, origin=client.origin.name)
        if fresh:
            yield JsonAnswer(fresh, tuple(one for one in answer.warnings if _MORE not in one))
        full = len(found) == limit
        if not fresh or not (has_more or answer.is_part or full or least <= len(found) < limit):
            return
        least = max(least, len(found))
        offset += len(found)


class _Asking:
    """Asks for matches from an offset on, as many at a time as the server takes."""

    def __init__(
        self, client: WebClient, path: str, params: list[tuple[str, str]], most: int | None, page: int
    ) -> None:
        self._client = client
        self._path = path
        self._params = params
        self._most = most
        self._page = min(page, client.largest_page or page)

    async def at(self, offset: int) -> tuple[int, JsonAnswer]:
        """Give the limit, and the answer to it; where the first is called too large, to a small one."""
        try:
            return await self._asked(offset)
        except HttpOperationFailed as error:
            if error.http_status not in _TOO_MUCH or offset or self._limit(offset) <= SMALL_PAGE:
                raise
            self._page = SMALL_PAGE
            given = await self._asked(offset)
            if error.http_status == HTTPStatus.BAD_REQUEST:
                self._client.largest_page = SMALL_PAGE
            return given

    async def _asked(self, offset: int) -> tuple[int, JsonAnswer]:
        limit = self._limit(offset)
        params = [*self._params, ("limit", str(limit)), ("offset", str(offset))]
        return limit, await self._client.get_json(self._path, params)

    def _limit(self, offset: int) -> int:
        return self._page if self._most is None else min(self._page, self._most - offset)


class _Seen:
    """Tells which matches were on a page before; of a search that has one page it looks at none."""

    def __init__(self) -> None:
        self._identities: set[bytes] = set()
        self._last: list[DicomJson] = []

    def fresh(self, found: list[DicomJson]) -> list[DicomJson]:
        """Give those of the next page that are new."""
        if found:
            self._identities.update(map(_identity, self._last))
        self._last = [one for one in found if not self._identities or _identity(one) not in self._identities]
        return self._last


def _says_more(answer: JsonAnswer) -> bool:
    return any(_MORE in warning for warning in answer.warnings)


def _identity(one: DicomJson) -> bytes:
    """Tell matches apart, by all of it: two patients' studies may have one UID."""
    return sha256(orjson.dumps(one, option=orjson.OPT_SORT_KEYS)).digest()
