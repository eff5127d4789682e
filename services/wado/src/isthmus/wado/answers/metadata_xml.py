"""Metadata in XML (PS3.18 F.3): a document for each instance, made from its JSON."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final

import orjson

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.xml_model import native_model
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.dicomweb.offers import DICOM_XML_PARTS
from isthmus.common.errors import TooLarge
from isthmus.common.pixels.errors import ProcessFailed
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.threads import Threads

LARGE_BYTES: Final = 1024 * 1024
"""JSON of more than this is converted in a process: orjson would let nothing else run while it reads it."""
_AT_ONCE: Final = 64
"""Objects that are converted in a thread together."""


async def documents(
    writer: MultipartWriter, texts: AsyncIterator[bytes], threads: Threads, processes: PixelProcesses
) -> AsyncGenerator[bytes, None]:
    """Write a part for each object; the end of the body comes only after the last one.

    Args:
        writer: Of the body.
        texts: Objects of the DICOM JSON Model, each by itself or several with commas between them.
        threads: Where they are converted.
        processes: Where those are that are large.

    Raises:
        TooLarge: that of an instance takes too long, or too much memory.
    """
    async for text in texts:
        async for document in _documents_of(text, threads, processes):
            yield writer.part(DICOM_XML_PARTS.name, length=len(document)) + document
    yield writer.close()


async def _documents_of(
    text: bytes, threads: Threads, processes: PixelProcesses
) -> AsyncGenerator[bytes, None]:
    if len(text) > LARGE_BYTES:
        try:
            for document in await processes.run(_converted, text):
                yield document
        except ProcessFailed as error:
            raise TooLarge("An instance is too large to be described in XML") from error
        return
    objects = await threads.run(_objects, text)
    for start in range(0, len(objects), _AT_ONCE):
        for document in await threads.run(_documents, objects[start : start + _AT_ONCE]):
            yield document


def _objects(text: bytes) -> list[DicomJson]:
    objects: list[DicomJson] = orjson.loads(b"[" + text + b"]")
    return objects


def _converted(text: bytes) -> list[bytes]:
    return _documents(_objects(text))


def _documents(objects: Sequence[DicomJson]) -> list[bytes]:
    return [native_model(each) for each in objects]
