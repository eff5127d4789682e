"""Queries that are no text: refused before anything reads them (RFC 3986 2.5).

Whatever asks Starlette for the URL of a request decodes its query from UTF-8, and fails where that is none.
Caddy hands any byte on; whether uvicorn does depends on how strict its parser was built.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from isthmus.common.dicomweb.problem import problem_response
from isthmus.common.errors import InvalidParameter


class ReadableQueries:
    """The ASGI layer that lets requests through whose query is ASCII, or UTF-8 as some clients send it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not _is_text(scope["query_string"]):
            error = InvalidParameter("query", "is no percent-encoded UTF-8")
            await problem_response(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_text(query: bytes) -> bool:
    try:
        query.decode()
    except UnicodeDecodeError:
        return False
    return True
