"""A search as an HTTP exchange (PS3.18 10.6.1 to 10.6.3)."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson, JsonElement
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.uids import check_uid
from isthmus.common.dicomweb import (
    DICOM_JSON,
    JSON,
    DicomJsonResponse,
    Resource,
    accepted_by,
    additional_results,
    negotiate,
    origin_in,
    public_base_url,
    service_path,
    warning_header,
)
from isthmus.common.errors import InvalidParameter
from isthmus.qido.parameters import parse_parameters
from isthmus.qido.plan import Scope, uid_of
from isthmus.qido.search import Finder
from isthmus.qido.settings import QidoSettings
from isthmus.qido.window import Window

_RETRIEVE_URL: Final = tag_of("RetrieveURL")
_PATH: Final = {Level.STUDY: ("study", "StudyInstanceUID"), Level.SERIES: ("series", "SeriesInstanceUID")}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SearchTransaction:
    """Answers searches for the resources of one level."""

    settings: QidoSettings
    find: Finder
    level: Level

    async def answer(self, request: Request) -> Response:
        """Answer with all matches up to the limit, or with the error; never with some of what was found.

        Raises:
            UnknownOrigin: no such origin is configured.
            InvalidParameter: a UID of the path or a query parameter is wrong.
            NotAcceptable: the client takes no JSON.
            IsthmusError: what the finder raises.
        """
        scope = self._scope(request)
        choice = negotiate(accepted_by(request), [DICOM_JSON, JSON])
        parameters = parse_parameters(request.scope["query_string"], self.level)
        base = public_base_url(request)
        limit = self.settings.max_matches if parameters.limit is None else parameters.limit
        window = Window(min(limit, self.settings.max_matches), skip=parameters.offset)
        found = await _unless_client_leaves(request, self.find(scope, parameters, window))
        origins = found.origins or [scope.origin] * len(found.matches)
        response = DicomJsonResponse(
            [
                _with_retrieve_url(match, origin, scope.level, base)
                for match, origin in zip(found.matches, origins, strict=True)
            ],
            media_type=choice.offer.name,
        )
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
        return Scope(
            origin=origin,
            level=self.level,
            uids={
                level: check_uid(path[name], keyword)
                for level, (name, keyword) in _PATH.items()
                if name in path
            },
        )


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
