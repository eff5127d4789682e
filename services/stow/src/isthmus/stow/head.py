"""The beginning of an object, which tells what instance it is."""

from collections.abc import AsyncIterator
from contextlib import suppress
from io import BytesIO
from typing import Final

from isthmus.common.dicom.part10 import Identity, file_header, identify, read_file_meta
from isthmus.common.errors import MalformedDataset, UnreadablePayload

FIRST_LOOK_BYTES: Final = 64 * 1024
"""The UIDs of most instances are in here."""
LAST_LOOK_BYTES: Final = 1024 * 1024
"""A part whose UIDs are not in here is no DICOM object that we take."""


class Head:
    """The beginning of a part, as far as it was needed to tell which instance it is."""

    def __init__(self, data: bytes) -> None:
        """Identify the instance.

        Raises:
            MalformedDataset: it cannot be read, or not from as few bytes.
        """
        meta = read_file_meta(BytesIO(data))
        self.identity: Final[Identity] = identify(
            memoryview(data)[meta.dataset_offset :], meta.transfer_syntax_uid
        )
        self.transfer_syntax_uid: Final = meta.transfer_syntax_uid
        # Without File Meta Information nobody could tell the transfer syntax once the blob stands alone.
        self.data: Final = data if meta.dataset_offset else self._header() + data

    def _header(self) -> bytes:
        return file_header(
            sop_class_uid=self.identity.sop_class_uid,
            sop_instance_uid=self.identity.sop_instance_uid,
            transfer_syntax_uid=self.transfer_syntax_uid,
            source_ae_title=None,
        )


async def read_head(chunks: AsyncIterator[bytes]) -> Head | MalformedDataset:
    """Read a part until its instance is known; when it is no DICOM object that we take, give why."""
    data = bytearray()
    look = FIRST_LOOK_BYTES
    # A body that ends here raises that again to whoever reads on: what came may still tell the instance.
    with suppress(UnreadablePayload):
        async for chunk in chunks:
            data += chunk
            if len(data) < look:
                continue
            head = _head(bytes(data))
            if isinstance(head, Head) or look >= LAST_LOOK_BYTES:
                return head
            look *= 4
    return _head(bytes(data))


def _head(data: bytes) -> Head | MalformedDataset:
    try:
        return Head(data)
    except MalformedDataset as error:
        return error
