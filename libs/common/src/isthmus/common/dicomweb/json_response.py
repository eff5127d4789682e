"""Answers in the DICOM JSON Model (PS3.18 Annex F)."""

from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence

import orjson
from starlette.responses import Response


class DicomJsonResponse(Response):
    """An object of the DICOM JSON Model, or an array; `application/dicom+json` unless told otherwise."""

    media_type = "application/dicom+json"

    def render(self, content: Mapping[str, object] | Sequence[Mapping[str, object]]) -> bytes:
        """Write the objects."""
        return orjson.dumps(content)


async def json_array(objects: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Write an array of objects as they come, each already in JSON.

    The bracket that closes the array comes only after the last object: where the objects end in an error,
    what is out is no valid JSON.
    """
    separator = b"["
    async for each in objects:
        yield separator + each
        separator = b","
    yield b"[]" if separator == b"[" else b"]"
