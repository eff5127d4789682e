"""A C-FIND on the pool, as an asynchronous stream of DICOM JSON."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from io import BytesIO
from typing import Final

from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from isthmus.common.bus import end_tasks
from isthmus.common.dicom.element_reader import ElementReader, Encoding
from isthmus.common.dicom.json_model import DicomJson, JsonWriter
from isthmus.common.dimse import FIND, Association, AssociationPool, Context, FindResponse
from isthmus.common.errors import BusUnavailable
from isthmus.common.threads import Channel, ChannelClosed

MATCHES_AHEAD: Final = 200
"""How far an origin may be ahead of the reader."""
CANCEL_SECONDS: Final = 3.0
"""How long a cancelled query may take to end, before its association is aborted."""


async def find(
    pool: AssociationPool, identifier: Dataset, *, priority: int = 0, context: Context = FIND
) -> AsyncGenerator[DicomJson, None]:
    """Give the matches of a query, in the origin's order; leaving early sends C-CANCEL.

    Raises:
        OriginError: the origin failed; what came until then is not the whole.
    """
    channel: Channel[DicomJson] = Channel(asyncio.get_running_loop(), MATCHES_AHEAD)
    leased: list[Association] = []

    def search(association: Association) -> None:
        leased.append(association)
        with closing(association.find(context.abstract_syntax, identifier)) as responses:
            for response in responses:
                channel.put(read_match(response))

    def ended(searching: asyncio.Task[None]) -> None:
        if searching.cancelled():
            # By us, and nobody reads any more; or the threads are no more, and what came is not the whole.
            channel.fail(BusUnavailable("The worker is stopping"))
            return
        error = searching.exception()
        if error is None or isinstance(error, ChannelClosed):
            channel.close()
        else:
            channel.fail(error)

    searching = asyncio.create_task(pool.run((context,), search, priority=priority))
    searching.add_done_callback(ended)
    try:
        async with aclosing(channel):
            async for match in channel:
                yield match
    finally:
        if not searching.done():
            if leased:
                leased[-1].cancel()
            try:
                await asyncio.wait({searching}, timeout=CANCEL_SECONDS)
            finally:  # who is cancelled again meanwhile leaves no search, and no association, behind
                await end_tasks([searching])


def read_match(response: FindResponse) -> DicomJson:
    """Describe a match, as far as its identifier can be read: one that is broken does not break a search."""
    declared = Encoding(implicit=response.transfer_syntax_uid == ImplicitVRLittleEndian, little_endian=True)
    reader = ElementReader(BytesIO(response.data or b""))
    return JsonWriter(None).read(reader, reader.actual_encoding(declared, may_be_explicit=True))
