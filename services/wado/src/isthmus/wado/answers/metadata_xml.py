"""Metadata in XML (PS3.18 F.3): a document for each instance, made from its JSON."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Final

import orjson

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.dicom.xml_model import native_model
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.dicomweb.offers import DICOM_XML_PARTS
from isthmus.common.threads import Threads

_AT_ONCE: Final = 64
"""Objects that are converted in a thread together."""


async def documents(
    writer: MultipartWriter, texts: AsyncIterator[bytes], threads: Threads
) -> AsyncGenerator[bytes, None]:
    """Write a part for each object; the end of the body comes only after the last one.

    Args:
        writer: Of the body.
        texts: Objects of the DICOM JSON Model, each by itself or several with commas between them.
        threads: Where they are converted.
    """
    async for text in texts:
        objects = await threads.run(orjson.loads, b"[" + text + b"]")
        for start in range(0, len(objects), _AT_ONCE):
            for document in await threads.run(_documents, objects[start : start + _AT_ONCE]):
                yield writer.part(DICOM_XML_PARTS.name, length=len(document)) + document
    yield writer.close()


def _documents(objects: Sequence[DicomJson]) -> list[bytes]:
    return [native_model(each) for each in objects]
