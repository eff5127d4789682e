"""Thumbnails of studies, series, instances and frames (PS3.18 10.4.1.1.4): one small picture of each.

Of a study or series it is one of its images, so that only this one is fetched from the origin.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from starlette.requests import Request

from isthmus.common.derived.images import Image
from isthmus.common.dicomweb.accept import MediaRange, accepted_by, negotiate
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.errors import NoSuchObject, NotDelivered, PixelsUnreadable, TooLarge
from isthmus.common.messages import BlobRef
from isthmus.wado.answers.rendered_body import single
from isthmus.wado.answers.streamed import Body
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.categories import offers_of
from isthmus.wado.parameters.frame_list import frame_numbers
from isthmus.wado.parameters.rendering_parameters import THUMBNAIL, query_of, thumbnail_parameters
from isthmus.wado.pictures.rendering import Viewport
from isthmus.wado.pictures.renderings import Renderer

_USELESS: Final = (NoSuchObject, NotDelivered, PixelsUnreadable, TooLarge)
"""What keeps an instance from standing for others."""


@asynccontextmanager
async def thumbnail(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give a picture that stands for a study, a series or an instance.

    Raises:
        InvalidParameter: the viewport is none.
        NotAcceptable: there is no such picture in what was asked for.
        PixelsUnreadable: there is no image, or none that can be shown.
    """
    resource = instances.wanted(request)
    maker = _Maker(instances, request, resource)
    if resource.instance is None:
        yield await _representative(instances, resource, maker)
        return
    yield await maker.of(await instances.instance(resource))


@asynccontextmanager
async def frame_thumbnail(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give a picture of a frame; of several, of the first.

    Raises:
        InvalidParameter: the viewport is none, or a frame number.
        NoSuchObject: the instance has not as many frames.
        NotAcceptable: there is no such picture in what was asked for.
        PixelsUnreadable: the instance is no image, or one that cannot be shown.
    """
    resource = instances.wanted(request)
    numbers = frame_numbers(request.path_params["frames"], instances.settings.max_frames)
    maker = _Maker(instances, request, resource)
    yield await maker.of(await instances.instance(resource), numbers)


class _Maker:
    """Makes the thumbnail that one request is about."""

    def __init__(self, instances: Instances, request: Request, resource: Resource) -> None:
        parameters = thumbnail_parameters(query_of(request))
        self._renderer = Renderer(instances, request, resource, parameters)
        self._ranges: Sequence[MediaRange] = accepted_by(request)

    async def of(self, blob: BlobRef, numbers: Sequence[int] = ()) -> Body:
        """Give that of an instance, of the first of some frames, or of the one that stands for all."""
        image = await self._renderer.image(blob)
        offer = negotiate(self._ranges, offers_of(blob)).offer
        plan = self._renderer.pictures(image, offer, numbers or (_frame_of(image),)).first
        if image.may_name_the_patient and plan.look is not None:
            # Nobody who is identified on an image must be on its thumbnail (PS3.18 10.4.3.3.4).
            plan = replace(plan, look=replace(plan.look, viewport=_unreadable(plan.look.viewport)))
        return await single(self._renderer, plan)


async def _representative(instances: Instances, resource: Resource, maker: _Maker) -> Body:
    failure: Exception | None = None
    for candidate in await instances.representatives_of(resource):
        try:
            return await maker.of(await instances.instance(candidate))
        except _USELESS as error:
            failure = error
    async with instances.read(resource) as reading:
        async for blob in reading:
            try:
                return await maker.of(blob)
            except _USELESS as error:
                failure = failure or error
    raise failure or NoSuchObject("There is nothing of it")


def _frame_of(image: Image) -> int:
    """Give the frame that stands for all: Representative Frame Number (0028,6010), or the middle."""
    count = len(image.index)
    said = image.representative_frame
    return said if said is not None and 1 <= said <= count else count // 2 + 1


def _unreadable(viewport: Viewport | None) -> Viewport:
    wanted = viewport or THUMBNAIL
    return Viewport(min(wanted.width, THUMBNAIL.width), min(wanted.height, THUMBNAIL.height))
