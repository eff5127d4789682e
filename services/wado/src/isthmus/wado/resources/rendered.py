"""Rendered studies, series, instances and frames (PS3.18 10.4.1.1.3)."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Final

from starlette.requests import Request

from isthmus.common.bus.fan_out import fan_out
from isthmus.common.dicomweb.accept import MediaRange, Offer, accepted_by
from isthmus.common.errors import NotAcceptable
from isthmus.common.messages import BlobRef
from isthmus.common.retrieval import Reading
from isthmus.wado.answers.rendered_body import first_of, parts, single
from isthmus.wado.answers.streamed import Body
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.categories import offers_of
from isthmus.wado.parameters.frame_list import frame_numbers
from isthmus.wado.parameters.rendering_parameters import query_of, rendering_parameters
from isthmus.wado.pictures.presentations import is_presentation
from isthmus.wado.pictures.presented import presented
from isthmus.wado.pictures.renderings import Plan, Plans, Renderer, choose, unshowable

OPENED: Final = 4
"""Instances whose headers are read ahead of the client."""


@asynccontextmanager
async def rendered(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Render all of a study, series or instance: one rendering by itself, several as parts.

    Whoever takes no parts gets the first of several frames, and a Warning that says so.

    Raises:
        InvalidParameter: a parameter is wrong.
        NotAcceptable: there is nothing of it in what was asked for.
        PixelsUnreadable: it cannot be rendered. When that happens to a later part, the body is broken off.
    """
    resource = instances.wanted(request)
    parameters = rendering_parameters(query_of(request))
    renderer = Renderer(instances, request, resource, parameters)
    ranges = accepted_by(request)
    if resource.instance is None:
        async with instances.read(resource) as reading, _all_of(renderer, reading, ranges) as body:
            yield body
        return
    blob = await instances.instance(resource)
    if is_presentation(blob):
        async with presented(instances, request, resource, blob, parameters, ranges) as body:
            yield body
        return
    offer = choose(ranges, _offers(blob))
    plans = await renderer.plans(blob, offer)
    if offer.multipart:
        async with _parts(renderer, plans) as body:
            yield body
    elif len(plans) == 1:
        yield await single(renderer, plans.first)
    else:
        yield await single(renderer, plans.first, first_of(len(plans)))


@asynccontextmanager
async def rendered_frames(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Render some frames of an instance: one by itself, several as parts, in the order asked for.

    Raises:
        InvalidParameter: a parameter is wrong.
        NoSuchObject: the instance has not as many frames.
        NotAcceptable: there is nothing of it in what was asked for.
        PixelsUnreadable: it cannot be rendered. When that happens to a later part, the body is broken off.
    """
    resource = instances.wanted(request)
    numbers = frame_numbers(request.path_params["frames"], instances.settings.max_frames)
    renderer = Renderer(instances, request, resource, rendering_parameters(query_of(request)))
    ranges = accepted_by(request)
    image = await renderer.image(await instances.instance(resource))
    offer = choose(ranges, offers_of(image.blob))
    plans = renderer.pictures(image, offer, numbers)
    if len(plans) == 1 and not offer.multipart:
        yield await single(renderer, plans.first)
        return
    async with _parts(renderer, plans) as body:
        yield body


@asynccontextmanager
async def _all_of(renderer: Renderer, reading: Reading, ranges: Sequence[MediaRange]) -> AsyncIterator[Body]:
    """Render a study or series; what can be rendered, and so the status, is known when all of it is there."""
    chosen, others = _chosen([blob async for blob in reading], ranges)
    warnings = (f"{others} of {others + len(chosen)} instances cannot be rendered so",) if others else ()
    async with (
        aclosing(_planned(renderer, chosen)) as planned,
        parts(
            renderer,
            planned,
            chosen[0][1].name,
            lacking=reading.lacking,
            warnings=warnings,
            partial=bool(others),
        ) as body,
    ):
        yield body


def _chosen(
    blobs: Iterable[BlobRef], ranges: Sequence[MediaRange]
) -> tuple[list[tuple[BlobRef, Offer]], int]:
    """Choose a media type for each instance, and count those that have none that the client takes."""
    chosen: list[tuple[BlobRef, Offer]] = []
    others: list[BlobRef] = []
    known: dict[Sequence[Offer], Offer | None] = {}
    for blob in blobs:
        offers = offers_of(blob)
        if offers not in known:
            known[offers] = _choice(ranges, offers)
        offer = known[offers]
        if offer is None:
            others.append(blob)
        else:
            chosen.append((blob, offer))
    if not chosen:
        choose(ranges, [offer for blob in others for offer in offers_of(blob)] or _offers(others[0]))
    return chosen, len(others)


def _choice(ranges: Sequence[MediaRange], offers: Sequence[Offer]) -> Offer | None:
    try:
        return choose(ranges, offers) if offers else None
    except NotAcceptable:
        return None


def _offers(blob: BlobRef) -> Sequence[Offer]:
    offers = offers_of(blob)
    if not offers:
        raise unshowable(blob)
    return offers


async def _planned(renderer: Renderer, chosen: Iterable[tuple[BlobRef, Offer]]) -> AsyncGenerator[Plan, None]:
    async def plans(each: tuple[BlobRef, Offer]) -> Plans:
        return await renderer.plans(*each)

    async with fan_out(chosen, plans, OPENED) as opened:
        async for _, found in opened:
            for plan in found:
                yield plan


def _parts(renderer: Renderer, plans: Plans) -> AbstractAsyncContextManager[Body]:
    etag = renderer.etag(plans, weak=True)
    return parts(renderer, plans, plans.one.offer.name, etag=etag)
