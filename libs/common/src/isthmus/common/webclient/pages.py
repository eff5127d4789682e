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
    given = list(params)
    seen: set[bytes] = set()
    before: list[DicomJson] = []
    offset, full, has_more = 0, False, False
    least, was_bad = LEAST_CAP, False
    page = min(page, client.largest_page or page)
    while most is None or offset < most:
        limit = page if most is None else min(page, most - offset)
        try:
            answer = await client.get_json(path, [*given, ("limit", str(limit)), ("offset", str(offset))])
        except HttpOperationFailed as error:
            if offset and error.http_status in NO_MATCH and not has_more:
                return
            if error.http_status not in _TOO_MUCH or offset or limit <= SMALL_PAGE:
                raise
            page, was_bad = SMALL_PAGE, error.http_status == HTTPStatus.BAD_REQUEST
            continue
        if was_bad:
            client.largest_page = page
        found, has_more = answer.data_sets, _has_more(answer)
        if found:
            seen.update(map(_identity, before))
        before = [one for one in found if not seen or _identity(one) not in seen]
        fresh = before[: None if most is None else most - offset]
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


def _has_more(answer: JsonAnswer) -> bool:
    return any(_MORE in warning for warning in answer.warnings)


def _identity(one: DicomJson) -> bytes:
    """Tell matches apart, by all of it: two patients' studies may have one UID."""
    return sha256(orjson.dumps(one, option=orjson.OPT_SORT_KEYS)).digest()
