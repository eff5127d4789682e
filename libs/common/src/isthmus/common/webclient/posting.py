"""Storing: what is sent as multipart/related, and what is answered (PS3.18 10.5)."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from copy import copy
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.xml_reading import parse_native_model
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.errors import MalformedDataset, StoreUnavailable
from isthmus.common.webclient.answer import Answer, shown
from isthmus.common.webclient.json_answer import parse_data_sets, read_all

DICOM: Final = "application/dicom"
ACCEPT: Final = "application/dicom+json, application/dicom+xml;q=0.5"
MOST_BYTES: Final = 64 * 1024 * 1024
MOST_SENT: Final = 256 * 1024
"""Bytes sent at a time: so many have to pass within the time-out."""


@dataclass(frozen=True, slots=True)
class OutgoingPart:
    """One instance on its way out."""

    content: AsyncIterable[bytes] = field(repr=False)
    length: int | None = None
    """Bytes of the content, where they are known."""
    transfer_syntax: str | None = None
    """Its Transfer Syntax UID (PS3.18 8.7.3.5.2)."""


Sources = Callable[[], AsyncIterable[OutgoingPart]]
"""Gives the parts from the first one on, for each try anew."""


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """What became of a store."""

    http_status: int
    """200: all stored; 202: with warnings, or some not; 400, 409: none."""
    response: DicomJson | None
    """The Store Instances Response Module (PS3.18 I.2); None where the origin sends none."""
    warnings: tuple[str, ...] = ()


class Multipart:
    """A body of parts; its closing delimiter comes only after all of them."""

    def __init__(self, parts: Sources) -> None:
        self._parts = parts
        self._writer = MultipartWriter(DICOM)
        self.content_type: Final = self._writer.content_type

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give the body from its beginning on, in chunks of a bounded size.

        Raises:
            StoreUnavailable: a part has not the length that was said.
        """
        writer = copy(self._writer)
        async for part in self._parts():
            syntax, length = part.transfer_syntax, part.length
            yield writer.part(DICOM, transfer_syntax=syntax, length=length)
            size = 0
            async for chunk in part.content:
                size += len(chunk)
                for start in range(0, len(chunk), MOST_SENT):
                    yield chunk[start : start + MOST_SENT]
            if length is not None and size != length:
                raise StoreUnavailable(f"An instance has {size} bytes where there should be {length}")
        yield writer.close()


async def read_stored(answer: Answer) -> StoreAnswer:
    """Read what an origin says of what was stored.

    Raises:
        MalformedAnswer: it is neither JSON nor XML, or not one data set.
        TruncatedAnswer: it was cut off.
        OriginTimeout: for too long nothing came.
    """
    body = await read_all(answer, MOST_BYTES)
    media_type = answer.media_type
    if answer.status == HTTPStatus.NO_CONTENT or not body:
        return StoreAnswer(answer.status, None, answer.warnings)
    if media_type is None or media_type.name.endswith(("/json", "+json")):
        found = parse_data_sets(answer, body)
    elif media_type.name.endswith(("/xml", "+xml")):
        try:
            found = [parse_native_model(body)]
        except MalformedDataset:
            raise answer.malformed("The answer is not of the Native DICOM Model") from None
    else:
        raise answer.malformed(f"The answer is {shown(media_type)}, neither JSON nor XML")
    if len(found) > 1:
        raise answer.malformed("The answer to a store is more than one data set")
    return StoreAnswer(answer.status, found[0] if found else None, answer.warnings)
