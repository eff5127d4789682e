"""Pictures of frames, made in other processes once for all who wait; kept where others will want the same."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Final

from isthmus.common.derived.images import Image, Images, pixel_failures
from isthmus.common.derived.kept import Kept
from isthmus.common.derived.shared import Shared
from isthmus.common.errors import InvalidParameter, PixelsUnreadable, TooLarge
from isthmus.common.messages import BlobRef
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.wado.pictures.rendering import (
    OutsideImage,
    RenderingError,
    RenderRequest,
    render,
)

VERSION: Final = "1"
"""Of how pictures are made: those of another version are not found."""
LARGEST_ANIMATION: Final = 256 * 1024 * 1024
"""Bytes of all frames of an animation, decoded or as they are held: it is in memory several times."""
MOST_OF_ANIMATION: Final = 10_000
"""Frames; each is told to the process by its number, and has a picture of its own."""
HELD: Final = ("application/dicom",)
"""What can always be had of an instance, if not at this resource."""


class Pictures:
    """All pictures that this process makes."""

    def __init__(self, images: Images, processes: PixelProcesses, kept: Kept, max_frame_bytes: int) -> None:
        """Make none yet.

        Args:
            images: Whose frames they show.
            processes: Where they are made.
            kept: Where some of them are kept.
            max_frame_bytes: A decoded frame of more is refused.
        """
        self._max_frame_bytes = max_frame_bytes
        self._images = images
        self._processes = processes
        self._kept = kept
        self._shared = Shared(0)
        # Frames that wait for a process are in memory.
        self._turns = asyncio.Semaphore(2 * processes.processes)
        self._animation = asyncio.Semaphore(1)

    async def picture(self, image: Image, request: RenderRequest, *, keep: bool = False) -> bytes:
        """Give a picture of some frames of an image.

        Args:
            image: The image.
            request: Which frames, and how they shall look.
            keep: Whether others will want the same, so that it is kept in S3.

        Raises:
            NoSuchObject: the image has not as many frames.
            InvalidParameter: the region is outside of it.
            PixelsUnreadable: its pixels are damaged, or in a form that nobody here can read, or the
                presentation state is not for it.
            TooLarge: it is larger than a limit.
            UnavailableError: a part of ours is away.
        """
        make = partial(self._make, image, request)
        name = f"rendered-{VERSION}-{name_of(request)}"
        if keep:
            return await self._kept.get(image.blob, name, make)
        return await self._shared.get(f"{image.blob.key} {name}", make)

    async def _make(self, image: Image, request: RenderRequest) -> bytes:
        if len(request.frame_numbers) == 1:
            return await self._render(image, request)
        held = sum(self._images.length(image, number) for number in request.frame_numbers)
        if held > LARGEST_ANIMATION:
            raise _too_many(image)
        async with self._animation:
            return await self._render(image, request)

    async def _render(self, image: Image, request: RenderRequest) -> bytes:
        async with self._turns:
            with _failures(image.blob, request):
                frames = [await self._images.frame(image, number) for number in request.frame_numbers]
                return await self._processes.run(
                    render, image.head, image.description, frames, request, self._max_frame_bytes
                )


def require_animation(image: Image, count: int) -> None:
    """Make sure that some frames of an image can be one picture.

    Raises:
        TooLarge: they are too many.
    """
    size = count * image.description.decoded_bytes
    if count > 1 and (count > MOST_OF_ANIMATION or size > LARGEST_ANIMATION):
        raise _too_many(image)


def _too_many(image: Image) -> TooLarge:
    detail = "There are too many frames for one animation; each can be had by itself"
    return TooLarge(detail, instance=image.blob.sop_instance_uid)


@contextmanager
def _failures(blob: BlobRef, request: RenderRequest) -> Iterator[None]:
    """Say what fails in terms of the request."""
    try:
        with pixel_failures(blob, HELD):
            yield
    except OutsideImage as error:
        raise InvalidParameter("region" if request.viewport is None else "viewport", error.detail) from error
    except RenderingError as error:
        raise PixelsUnreadable(error.detail, instance=blob.sop_instance_uid, available=HELD) from error


def name_of(request: RenderRequest) -> str:
    """Name a picture of an instance by all that it depends on beside that."""
    described = []
    for field in fields(request):
        value = getattr(request, field.name)
        if isinstance(value, frozenset):
            value = sorted(each.value for each in value)
        elif isinstance(value, bytes):
            value = hashlib.sha256(value).hexdigest()
        described.append(f"{field.name}={value!r}")
    return hashlib.sha256(";".join(described).encode()).hexdigest()[:32]
