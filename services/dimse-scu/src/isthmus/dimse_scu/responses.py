"""A C-FIND on the pool, as an asynchronous stream of DICOM JSON."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from io import BytesIO
from typing import Final

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode

from isthmus.common.dicom.json_model import DicomJson, dataset_to_json
from isthmus.common.dimse import FIND, STUDY_ROOT_FIND, Association, AssociationPool, FindResponse
from isthmus.common.threads import Channel, ChannelClosed

MATCHES_AHEAD: Final = 200
"""How far an origin may be ahead of the reader."""
CANCEL_SECONDS: Final = 3.0
"""How long a cancelled query may take to end, before its association is aborted."""


async def find(pool: AssociationPool, identifier: Dataset) -> AsyncGenerator[DicomJson, None]:
    """Give the matches of a query, in the origin's order; leaving early sends C-CANCEL.

    Raises:
        OriginError: the origin failed; what came until then is not the whole.
    """
    channel: Channel[DicomJson] = Channel(asyncio.get_running_loop(), MATCHES_AHEAD)
    leased: list[Association] = []

    def search(association: Association) -> None:
        leased.append(association)
        with closing(association.find(STUDY_ROOT_FIND, identifier)) as responses:
            for response in responses:
                channel.put(_to_json(response))

    def ended(searching: asyncio.Task[None]) -> None:
        error = None if searching.cancelled() else searching.exception()
        if error is None or isinstance(error, ChannelClosed):
            channel.close()
        else:
            channel.fail(error)

    searching = asyncio.create_task(pool.run((FIND,), search))
    searching.add_done_callback(ended)
    try:
        async with aclosing(channel):
            async for match in channel:
                yield match
    finally:
        if not searching.done():
            if leased:
                leased[-1].cancel()
            await asyncio.wait({searching}, timeout=CANCEL_SECONDS)
            searching.cancel()
            await asyncio.wait({searching})


def _to_json(response: FindResponse) -> DicomJson:
    syntax = UID(response.transfer_syntax_uid)
    data = BytesIO(response.data or b"")
    dataset = decode(data, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    match, _ = dataset_to_json(dataset)
    return match


def text(match: DicomJson, tag: str) -> str:
    """Give the first value of an attribute, as text; empty where there is none."""
    values = match.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])
