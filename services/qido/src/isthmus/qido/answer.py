"""A search as an HTTP exchange (PS3.18 10.6.1 to 10.6.3)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from isthmus.common.access import access_of
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson, JsonElement
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import uid_of
from isthmus.common.dicom.uids import check_uid
from isthmus.common.dicomweb import (
    ALL,
    Resource,
    accepted_by,
    additional_results,
    negotiate,
    origin_in,
    public_base_url,
    service_path,
    warning_header,
)
from isthmus.common.dicomweb.offers import DICOM_XML_PARTS
from isthmus.common.errors import InvalidParameter
from isthmus.qido.parameters import SearchParameters, parse_parameters
from isthmus.qido.plan import Scope
from isthmus.qido.representation import OFFERS, representation
from isthmus.qido.settings import QidoSettings
from isthmus.qido.window import Found

_RETRIEVE_URL: Final = tag_of("RetrieveURL")
_PATH: Final = {Level.STUDY: ("study", "StudyInstanceUID"), Level.SERIES: ("series", "SeriesInstanceUID")}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SearchTransaction:
    """Answers searches for the resources of one level."""

    settings: QidoSettings
    find: Callable[[Scope, SearchParameters], Awaitable[Found]]
    level: Level

    async def answer(self, request: Request) -> Response:
        """Answer with all matches up to the limit, or with the error; never with some of what was found.

        Raises:
            UnknownOrigin: no such origin is configured.
            InvalidParameter: a UID of the path or a query parameter is wrong.
            NotAcceptable: the client takes neither JSON nor XML.
            IsthmusError: what the finder raises.
        """
        scope = self._scope(request)
        choice = negotiate(accepted_by(request), OFFERS)
        parameters = parse_parameters(request.scope["query_string"], self.level)
        base = public_base_url(request)
        found = await _unless_client_leaves(request, self.find(scope, parameters))
        if found.matches or (
            choice.offer is not DICOM_XML_PARTS and self.settings.no_matches == HTTPStatus.OK
        ):
            origins = found.origins or [scope.origin] * len(found.matches)
            matches = (
                _with_retrieve_url(match, origin, scope.level, base)
                for match, origin in zip(_taken(found.matches), origins, strict=True)
            )
            response = await representation(matches, choice.offer)
        else:
            response = Response(status_code=HTTPStatus.NO_CONTENT)
        texts = list(found.warnings)
        if found.more:
            texts.append(additional_results(found.remaining))
        for text in texts:
            response.headers.append("Warning", warning_header(base + service_path(scope.origin), text))
        return response

    def _scope(self, request: Request) -> Scope:
        path = request.path_params
        origin = origin_in(path)
        self.settings.require_origin(origin)
        access = access_of(request)
        everywhere = origin == ALL
        return Scope(
            origin=origin,
            permits=access.permits(self.settings.origins) if everywhere else {origin: access.permit(origin)},
            level=self.level,
            uids={
                level: check_uid(path[name], keyword)
                for level, (name, keyword) in _PATH.items()
                if name in path
            },
        )


def _taken(matches: list[DicomJson]) -> Iterator[DicomJson]:
    """Take them out of their list one by one: to let go of thousands at once takes longer than a turn."""
    matches.reverse()
    while matches:
        yield matches.pop()


def _with_retrieve_url(match: DicomJson, origin: str, level: Level, base: str) -> DicomJson:
    """Add where a match can be retrieved; its UIDs may be such that no URL can name it."""
    try:
        uids = [check_uid(uid_of(match, each), each.value) for each in Level if each <= level]
    except InvalidParameter:
        return dict(sorted(match.items()))
    element: JsonElement = {"vr": "UR", "Value": [base + Resource(origin, *uids).path]}
    return dict(sorted({**match, _RETRIEVE_URL: element}.items()))


async def _unless_client_leaves(request: Request, work: Awaitable[T]) -> T:
    """Cancel the search when nobody waits for it any more, and with it the queries at the origin."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
