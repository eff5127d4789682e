"""Frames in the transfer syntaxes in which clients want them."""

import asyncio
from functools import partial
from typing import Final

from isthmus.common.derived.images import Image, Images, pixel_failures
from isthmus.common.derived.kept import Kept
from isthmus.common.derived.shared import Shared
from isthmus.common.dicom.bulk import Piece
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.errors import PixelsUnreadable
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.pixels.transcode import description_in, transcoded_frame
from isthmus.wado.parameters.pixel_forms import as_held

SMALLEST_KEPT: Final = 64 * 1024
"""Bytes of a native frame that is decoded as fast as what is kept of it is read."""
LARGEST_KEPT: Final = 16 * 1024 * 1024
_VERSION: Final = "1"


class FrameContents:
    """The frames of images, as they are held or transcoded, for all clients of this process."""

    def __init__(self, images: Images, processes: PixelProcesses, kept: Kept, max_frame_bytes: int) -> None:
        """Transcode in processes.

        Args:
            images: Where the frames are.
            processes: Where they are transcoded.
            kept: Where those stay that cost more to make than to read.
            max_frame_bytes: A decoded frame of more is refused.
        """
        self._images = images
        self._processes = processes
        self._kept = kept
        self._max_frame_bytes = max_frame_bytes
        self._shared = Shared(0)
        # Frames that wait for a process are in memory.
        self._turns = asyncio.Semaphore(2 * processes.processes)
        self._working: set[asyncio.Task[bytes]] = set()

    async def pieces(self, image: Image, number: int, transfer_syntax: str) -> tuple[Piece, ...]:
        """Give a frame, numbered from 1, as what lies in S3 at `image.key`, or as its bytes.

        Raises:
            NoSuchObject: there are not as many.
            PixelsUnreadable: it cannot be decoded.
            TooLarge: it is larger than a frame may be.
            UnavailableError: a part of ours is away.
        """
        if transfer_syntax == image.description.transfer_syntax_uid:
            return await self._images.pieces(image, number)
        return (await self.transcoded(image, number, transfer_syntax),)

    async def transcoded(self, image: Image, number: int, transfer_syntax: str) -> bytes:
        """Give a frame, numbered from 1, in another transfer syntax than it is held in.

        Raises:
            NoSuchObject: there are not as many.
            PixelsUnreadable: it cannot be decoded.
            TooLarge: it is larger than a frame may be.
            UnavailableError: a part of ours is away.
        """
        image.index.frame(number)
        name = f"frame-{number}-{transfer_syntax}-{_VERSION}"
        make = partial(self._transcode, image, number, transfer_syntax)
        if SMALLEST_KEPT <= image.description.decoded_bytes <= LARGEST_KEPT:
            return await self._kept.get(image.blob, name, make)
        return await self._shared.get(f"{image.blob.key} {name}", make)

    def length(self, image: Image, number: int, transfer_syntax: str) -> int | None:
        """Count the bytes of a frame, if it can be told before it is made.

        Raises:
            NoSuchObject: there are not as many.
        """
        if transfer_syntax == image.description.transfer_syntax_uid:
            return self._images.length(image, number)
        if transfer_syntax == EXPLICIT_VR_LITTLE_ENDIAN:
            return description_in(image.description, transfer_syntax).frame_bytes
        return None

    async def _transcode(self, image: Image, number: int, transfer_syntax: str) -> bytes:
        """Make a frame; what has begun goes on when nobody waits for it any more, as it is soon done.

        To stop it costs a process, and viewers that scroll give up many frames.
        """
        await self._turns.acquire()
        work = asyncio.create_task(self._work(image, number, transfer_syntax))
        self._working.add(work)
        work.add_done_callback(self._done)
        return await asyncio.shield(work)

    def _done(self, work: "asyncio.Task[bytes]") -> None:
        self._turns.release()
        self._working.discard(work)
        if not work.cancelled():
            work.exception()  # whoever waited has it

    async def _work(self, image: Image, number: int, transfer_syntax: str) -> bytes:
        expected = self.length(image, number, transfer_syntax)
        frame = await self._images.frame(image, number)
        held = image.description.transfer_syntax_uid
        with pixel_failures(image.blob, as_held(held)):
            made = await self._processes.run(
                transcoded_frame, frame, image.description, transfer_syntax, self._max_frame_bytes
            )
        if expected is not None and len(made) != expected:
            raise PixelsUnreadable(
                "A frame is not of the size that the instance says", instance=image.blob.sop_instance_uid
            )
        return made
