"""Rendered presentation states: the images that each is about, as it says that they look (PS3.18 10.4)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from starlette.requests import Request

from isthmus.common.dicomweb.accept import MediaRange, Offer
from isthmus.common.dicomweb.offers import GIF, JPEG, PNG
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.errors import InvalidParameter, NoSuchObject, PixelsUnreadable
from isthmus.common.messages import BlobRef
from isthmus.wado.answers.rendered_body import first_of, parts, single
from isthmus.wado.answers.streamed import Body
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.rendering_parameters import RenderingParameters
from isthmus.wado.pictures.pictures import HELD
from isthmus.wado.pictures.presentations import Referenced, images_of, presentation_of
from isthmus.wado.pictures.renderings import Plans, Renderer, all_frames, choose

OFFERS: Final = (JPEG, PNG, GIF)


@asynccontextmanager
async def presented(
    instances: Instances,
    request: Request,
    resource: Resource,
    blob: BlobRef,
    parameters: RenderingParameters,
    ranges: Sequence[MediaRange],
) -> AsyncIterator[Body]:
    """Render what a presentation state is about: one picture by itself, several as parts.

    Whoever takes no parts gets the first of several, and a Warning that says so.

    Raises:
        InvalidParameter: a window or a region is asked for, which the presentation state has itself.
        NotAcceptable: there is nothing of it in what was asked for.
        PixelsUnreadable: it cannot be applied, or an image is not there or cannot be rendered.
        NotDelivered: what the origin sent cannot be read.
    """
    for name, value in (("window", parameters.look.window), ("viewport", parameters.look.region)):
        if value is not None:
            raise InvalidParameter(name, "a presentation state has a window and a region of its own")
    offer = choose(ranges, OFFERS)
    look = replace(parameters.look, presentation=await presentation_of(instances, blob))
    renderer = Renderer(instances, request, resource, replace(parameters, look=look))
    found = [
        await _plans(instances, renderer, offer, blob, referenced)
        for referenced in await images_of(instances, resource, blob)
    ]
    count = sum(map(len, found))
    plans = (replace(plan, path=f"{resource.path}/rendered") for each in found for plan in each)
    if offer.multipart:
        async with parts(renderer, plans, offer.name) as body:
            yield body
    elif count == 1:
        yield await single(renderer, next(plans))
    else:
        yield await single(renderer, next(plans), first_of(count))


async def _plans(
    instances: Instances, renderer: Renderer, offer: Offer, blob: BlobRef, referenced: Referenced
) -> Plans:
    try:
        image = await renderer.image(await instances.instance(referenced.image))
    except NoSuchObject as error:
        detail = "The origin has not got an image that the presentation state is about"
        raise PixelsUnreadable(detail, instance=blob.sop_instance_uid, available=HELD) from error
    numbers = referenced.frames or all_frames(image)
    return renderer.pictures(image, offer, numbers, together=offer.name == GIF.name)
