"""A part of an answer: a small one in memory, a large one in a file as its chunks come."""

from collections.abc import AsyncIterable
from typing import Final

from isthmus.common.dicom.raw_bytes import RawBytes, UnnamedFile
from isthmus.common.errors import StoreUnavailable
from isthmus.common.threads import Threads

SPILL_BYTES: Final = 4 * 1024 * 1024
"""What a part may take in memory."""
APPENDED_BYTES: Final = 1024 * 1024
"""What goes into a file at one time, in a thread."""


async def collected(chunks: AsyncIterable[bytes], threads: Threads) -> RawBytes:
    """Take all of it.

    Args:
        chunks: as they come; what they raise is raised, and leaves nothing behind.
        threads: where files are written.

    Raises:
        StoreUnavailable: it is too large for memory, and the disk does not take it.
    """
    held = bytearray()
    file: UnnamedFile | None = None
    async for chunk in chunks:
        held += chunk
        if len(held) > (SPILL_BYTES if file is None else APPENDED_BYTES):
            file = await threads.run(_append, file, held)
            held = bytearray()
    if file is None:
        return RawBytes(held)
    return RawBytes(await threads.run(_append, file, held))


def _append(file: UnnamedFile | None, data: bytearray) -> UnnamedFile:
    try:
        file = file or UnnamedFile()
        with memoryview(data) as view:
            file.append(view)
    except OSError:
        raise StoreUnavailable("The folder for temporary files takes no more") from None
    return file
