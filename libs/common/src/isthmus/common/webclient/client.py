"""The client: what a worker asks of a DICOMweb origin."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlencode

import httpx2

from isthmus.common.config import DicomwebOrigin
from isthmus.common.errors import HttpOperationFailed, MalformedAnswer
from isthmus.common.webclient import json_answer, posting
from isthmus.common.webclient.exchange import Exchange
from isthmus.common.webclient.failures import refusal
from isthmus.common.webclient.json_answer import JsonAnswer
from isthmus.common.webclient.outgoing import GET, POST, Outgoing
from isthmus.common.webclient.parts import Parts, parts_of
from isthmus.common.webclient.posting import Multipart, Sources, StoreAnswer

INSTANCES: Final = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Accept of a retrieve that takes instances as they are held (PS3.18 8.7.3.5.2)."""
NOT_ESCAPED: Final = ",*?:/@!()"
"""Beside letters, digits and `-._~`: what a query may hold (RFC 3986 3.4); some servers do not unescape."""
Parameters = Iterable[tuple[str, str]]

_GIVEN: Final = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.PARTIAL_CONTENT})
_STORED: Final = frozenset({HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
_NOT_STORED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT})
"""Statuses of a store with which a response module may say why."""


class WebClient:
    """Requests to one DICOMweb origin, as many at one time as its settings allow; the others wait.

    Where three or more are allowed, one of them is kept for searches: instances pass in the others.

    Use it as an asynchronous context manager, one for each origin and worker. Every method raises:

        OriginUnreachable: no connection, or it broke off before it answered; or no credentials to be had.
        OriginTimeout: for `timeout_seconds` nothing came.
        CircuitOpen: one of these several times in a row; it is left alone for some seconds.
        HttpOperationFailed: a status that is no success. 429 and 503 are tried again as Retry-After says, for
            15 s at most, a 401 once where there are newer credentials.
        MalformedAnswer, TruncatedAnswer: what it answers cannot be read, or was cut off.
    """

    def __init__(self, origin: DicomwebOrigin) -> None:
        """Open nothing yet."""
        self.origin: Final = origin
        self.largest_page: int | None = None
        """Most matches that it can be asked for at a time, once that is known; see `pages`."""
        self._takes_one_type = False
        """Whether it compares Accept with one media type: it has refused two, and taken one."""
        self._stack = AsyncExitStack()
        self._exchange: Exchange | None = None

    async def __aenter__(self) -> Self:
        """Read the certificates.

        Raises:
            SettingsError: a file with certificates cannot be read, or does not hold what it should.
        """
        self._exchange = await self._stack.enter_async_context(Exchange.to(self.origin))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._stack.__aexit__(kind, error, traceback)

    async def get_json(
        self, path: str, params: Parameters = (), *, most_bytes: int = json_answer.MOST_BYTES
    ) -> JsonAnswer:
        """Search, or get metadata (QIDO-RS, PS3.18 10.6; 10.4.1.1.2).

        Args:
            path: below the origin's URL, such as `studies/1.2/series`; its characters are escaped here.
            params: query parameters, in this order.
            most_bytes: of the answer, decompressed.

        Returns:
            The data sets, none of them where the origin answers 204 (404 is an error), its warnings, and
            whether it says that this is a part (206).
        """
        url = self._url(path, params)
        if not self._takes_one_type:
            try:
                return await self._json(url, json_answer.ACCEPT, most_bytes)
            except HttpOperationFailed as error:
                if error.http_status != HTTPStatus.NOT_ACCEPTABLE:
                    raise
        found = await self._json(url, json_answer.DICOM_JSON, most_bytes)
        self._takes_one_type = True
        return found

    async def _json(self, url: httpx2.URL, accept: str, most_bytes: int) -> JsonAnswer:
        outgoing = Outgoing(GET, url, {"Accept": accept, "Accept-Encoding": "gzip"})
        async with self._open.answer(outgoing, good=_GIVEN) as answer:
            data_sets = await json_answer.read_json(answer, most_bytes)
            return JsonAnswer(data_sets, answer.warnings, answer.status == HTTPStatus.PARTIAL_CONTENT)

    @asynccontextmanager
    async def stream_parts(self, path: str, accept: str = INSTANCES) -> AsyncIterator[Parts]:
        """Retrieve instances, frames or bulk data as they come (WADO-RS, PS3.18 10.4), in constant memory.

            async with client.stream_parts("studies/1.2") as parts:
                async for part in parts:
                    async for chunk in part: ...

        What raises nothing until its StopAsyncIteration is complete. Whoever leaves the block ends the
        request, at once where it is by an exception.

        Args:
            path: below the origin's URL.
            accept: the value of Accept.
        """
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        outgoing = Outgoing(GET, self._url(path), headers, is_long=True)
        async with (
            self._open.answer(outgoing, good=_GIVEN) as answer,
            parts_of(answer) as parts,
        ):
            yield parts

    async def post_parts(self, path: str, parts: Sources, *, length: int | None = None) -> StoreAnswer:
        """Store instances (STOW-RS, PS3.18 10.5), as they are read, in constant memory.

        Args:
            path: `studies`, or `studies/` and the Study Instance UID.
            parts: gives the parts from the first one on; it is called again where all is sent again (429,
                503, 401). What it raises ends the request: the origin gets no body that looks complete.
            length: bytes of the body (`multipart_length`), where they are known. Without it the body is sent
                in chunks, which some servers do not take (Orthanc before 1.5.7, many that stand on WSGI).

        Returns:
            What the origin says of each: 400 and 409 too, where it says more than that.
        """
        body = Multipart(parts)
        headers = {"Accept": posting.ACCEPT, "Accept-Encoding": "gzip", "Content-Type": body.content_type}
        if length is not None:
            headers["Content-Length"] = str(length)
        outgoing = Outgoing(POST, self._url(path), headers, is_long=True, body=body.chunks)
        async with self._open.answer(outgoing, good=_STORED | _NOT_STORED) as answer:
            if answer.status in _STORED:
                return await posting.read_stored(answer)
            failed: HttpOperationFailed = refusal(self.origin.name, POST, answer.status)
            try:
                stored = await posting.read_stored(answer)
            except MalformedAnswer:
                raise failed from None
            if stored.response is None:
                raise failed
            return stored

    @property
    def _open(self) -> Exchange:
        if self._exchange is None:
            raise RuntimeError("the client is not open")
        return self._exchange

    def _url(self, path: str, params: Parameters = ()) -> httpx2.URL:
        url = httpx2.URL(f"{self.origin.url}/{quote(path, safe='/,:@')}")
        # "+" for a blank is not understood by all.
        query = urlencode(list(params), quote_via=quote, safe=NOT_ESCAPED)
        return url.copy_with(query=query.encode("ascii")) if query else url
