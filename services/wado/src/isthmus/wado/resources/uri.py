"""WADO-URI (PS3.18 9): one instance, named and described by query parameters.

Whatever it gives is what WADO-RS gives of the same instance, in DICOM or rendered.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from starlette.requests import Request

from isthmus.common.derived.images import Image
from isthmus.common.dicomweb.accept import Offer, negotiate
from isthmus.common.dicomweb.offers import GIF
from isthmus.common.dicomweb.resource import Resource
from isthmus.common.errors import InvalidParameter, NoSuchObject
from isthmus.common.messages import BlobRef
from isthmus.wado.answers.rendered_body import first_of, single
from isthmus.wado.answers.streamed import Body
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.categories import Category, category_of, offers_of
from isthmus.wado.parameters.rendering_parameters import query_of
from isthmus.wado.parameters.uri_parameters import (
    UriParameters,
    UriRegion,
    ranges_in,
    uids_in,
    uri_parameters,
)
from isthmus.wado.pictures.presentations import is_presentation, presentation_of
from isthmus.wado.pictures.rendering import Region
from isthmus.wado.pictures.renderings import Renderer, all_frames
from isthmus.wado.resources.retrieve import retrieve

DICOM: Final = Offer("application/dicom")
"""Its transfer syntax is a parameter of the query here (PS3.18 9.4.1.2.3)."""


@asynccontextmanager
async def uri(instances: Instances, request: Request) -> AsyncIterator[Body]:
    """Give an instance in DICOM, or rendered.

    Raises:
        InvalidParameter: a parameter is missing, there twice, or wrong.
        NoSuchObject: there is no such instance.
        NotAcceptable: it cannot be had in what was asked for.
        PixelsUnreadable: it cannot be rendered.
    """
    query = query_of(request)
    path_params = {**request.path_params, **uids_in(query)}
    request = Request({**request.scope, "path_params": path_params})
    resource = instances.wanted(request)
    parameters = uri_parameters(query)
    ranges = ranges_in(query, ",".join(request.headers.getlist("accept")))
    if query.get("contentType", "").strip() == DICOM.name:
        async with _in_dicom(instances, request, parameters) as body:
            yield body
        return
    blob = await instances.instance(resource)
    offer = negotiate(ranges, [*offers_of(blob), DICOM]).offer
    if offer != DICOM:
        yield await _rendered(instances, request, resource, blob, offer, parameters)
        return
    async with _in_dicom(instances, request, parameters) as body:
        yield body


@asynccontextmanager
async def _in_dicom(instances: Instances, request: Request, parameters: UriParameters) -> AsyncIterator[Body]:
    """Retrieve the instance as WADO-RS does."""
    if parameters.has_window:
        raise InvalidParameter("windowCenter", "is not allowed where the object is wanted in DICOM")
    accept = DICOM.name
    if parameters.transfer_syntax is not None:
        accept += f"; transfer-syntax={parameters.transfer_syntax}"
    headers = [header for header in request.scope["headers"] if header[0] != b"accept"]
    scope = {
        **request.scope,
        "headers": [*headers, (b"accept", accept.encode("latin-1"))],
        "query_string": b"",
    }
    async with retrieve(instances, Request(scope)) as body:
        yield body


async def _rendered(
    instances: Instances,
    request: Request,
    resource: Resource,
    blob: BlobRef,
    offer: Offer,
    parameters: UriParameters,
) -> Body:
    if category_of(blob) is not Category.IMAGE:
        _refuse_frame(parameters, 1)
        renderer = Renderer(instances, request, resource, parameters.rendering)
        return await single(renderer, (await renderer.plans(blob, offer)).first)
    opened = await Renderer(instances, request, resource, parameters.rendering).image(blob)
    count = len(opened.index)
    _refuse_frame(parameters, count)
    look = parameters.rendering.look
    if parameters.region is not None:
        look = replace(look, region=_region_of(parameters.region, opened))
    if parameters.presentation is not None:
        look = replace(look, presentation=await _presentation(instances, resource, parameters.presentation))
    renderer = Renderer(instances, request, resource, replace(parameters.rendering, look=look))
    together = parameters.frame is None and offer.name == GIF.name
    numbers = all_frames(opened) if together else (parameters.frame or 1,)
    plan = renderer.pictures(opened, offer, numbers, together=together).first
    is_first = parameters.frame is None and len(numbers) < count
    return await single(renderer, plan, *([first_of(count)] if is_first else []))


def _refuse_frame(parameters: UriParameters, count: int) -> None:
    """Refuse a frame that there is not: a 400 here (PS3.18 9.5.2.1), and no 404 as in WADO-RS."""
    if parameters.frame is not None and parameters.frame > count:
        raise InvalidParameter("frameNumber", f"is more than there are frames, which is {count}")


def _region_of(region: UriRegion, image: Image) -> Region:
    columns, rows = image.description.columns, image.description.rows
    return Region(
        region.left * columns,
        region.top * rows,
        (region.right - region.left) * columns,
        (region.bottom - region.top) * rows,
    )


async def _presentation(instances: Instances, resource: Resource, uids: tuple[str, str]) -> bytes:
    """Fetch a presentation state; one that there is not is a 400 (PS3.18 9.5.2.3)."""
    wanted = Resource(resource.origin, resource.study, *uids)
    try:
        blob = await instances.instance(wanted)
    except NoSuchObject as error:
        raise InvalidParameter("presentationUID", "there is no such presentation state") from error
    if not is_presentation(blob):
        raise InvalidParameter("presentationUID", "is no presentation state that is applied here")
    return await presentation_of(instances, blob)
