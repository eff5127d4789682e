"""The matches of a search as the body of an answer: DICOM JSON, or XML in parts (PS3.18 8.7.3, 10.6.3.3)."""

from collections.abc import Iterable
from typing import Final

import orjson
from starlette.responses import Response

from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.xml_model import native_model
from isthmus.common.dicomweb import MultipartWriter, Offer
from isthmus.common.dicomweb.offers import DICOM_XML_PARTS
from isthmus.common.dicomweb.transactions import SEARCHES
from isthmus.common.federation.turns import in_turns

OFFERS: Final = SEARCHES[0].offers
"""The first is the default."""


async def representation(matches: Iterable[DicomJson], offer: Offer) -> Response:
    """Write the matches; in XML there must be one at least, as no multipart body is without parts.

    Args:
        matches: made as they are written, so that this counts for the time of a turn too.
        offer: one of `OFFERS`.
    """
    if offer is not DICOM_XML_PARTS:
        objects = [b"," + orjson.dumps(match) async for match in in_turns(matches)]
        return Response(b"[" + b"".join(objects)[1:] + b"]", media_type=offer.name)
    writer = MultipartWriter(offer.name)
    body: list[bytes] = []
    async for match in in_turns(matches):
        document = native_model(match)
        body += writer.part(offer.name, length=len(document)), document
    return Response(b"".join([*body, writer.close()]), media_type=writer.content_type)
