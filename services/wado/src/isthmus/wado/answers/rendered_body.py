"""Bodies of renderings: one by itself, or several as parts."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Final

from isthmus.common.bus.fan_out import fan_out
from isthmus.common.dicomweb.multipart_out import MultipartWriter
from isthmus.common.dicomweb.resource import public_base_url
from isthmus.common.messages import Lacking
from isthmus.wado.answers.conditional import ETag, is_unchanged
from isthmus.wado.answers.documents import Rendering
from isthmus.wado.answers.pieces import body_of, content_of, length_of
from isthmus.wado.answers.streamed import Body, nothing, unchanged
from isthmus.wado.pictures.renderings import Plan, Renderer

AHEAD: Final = 4
"""Renderings that are made ahead of the client."""


async def single(renderer: Renderer, plan: Plan, *warnings: str) -> Body:
    """Give one rendering, unless the client has it already.

    Raises:
        IsthmusError: as `Renderer.rendering` does.
    """
    etag = renderer.etag(plan)
    warnings = (*renderer.parameters.warnings, *warnings)
    if is_unchanged(renderer.request, etag):
        return unchanged(etag)
    if renderer.request.method == "HEAD":
        return Body({"Content-Type": plan.content_type}, nothing(), etag=etag, warnings=warnings)
    rendering = await renderer.rendering(plan)
    headers = {"Content-Type": plan.content_type, **rendering.headers}
    return body_of(headers, renderer.blobs, plan.blob.key, rendering.pieces, etag=etag, warnings=warnings)


@asynccontextmanager
async def parts(
    renderer: Renderer,
    plans: AsyncIterator[Plan] | Iterable[Plan],
    part_type: str,
    *,
    etag: ETag | None = None,
    lacking: Lacking | None = None,
    warnings: tuple[str, ...] = (),
    partial: bool = False,
) -> AsyncIterator[Body]:
    """Give renderings as the parts of one body; those that come later are made while the client reads.

    Args:
        renderer: Makes them.
        plans: Of what, one at least.
        part_type: The media type of the first one.
        etag: Weak, if all of them are known.
        lacking: What the origin did not deliver of what was asked for.
        warnings: What the client should know.
        partial: Something was left out; the warnings say what.

    Raises:
        IsthmusError: as `Renderer.rendering` does for the first; a later one breaks the body off.
    """
    if etag is not None and is_unchanged(renderer.request, etag):
        yield unchanged(etag)
        return
    warnings = (*renderer.parameters.warnings, *warnings)
    writer = MultipartWriter(part_type)
    headers = {"Content-Type": writer.content_type}
    if renderer.request.method == "HEAD":
        yield Body(headers, nothing(), lacking, etag, warnings=warnings, partial=partial)
        return
    async with fan_out(plans, renderer.rendering, AHEAD) as made:
        first = await anext(made)
        chunks = _written(renderer, writer, first, made)
        yield Body(headers, chunks, lacking, etag, warnings=warnings, partial=partial)


def first_of(count: int) -> str:
    """Say that this is not all."""
    return f"This is the first of {count} pictures; all of them can be had as multipart/related"


async def _written(
    renderer: Renderer,
    writer: MultipartWriter,
    first: tuple[Plan, Rendering],
    others: AsyncIterator[tuple[Plan, Rendering]],
) -> AsyncGenerator[bytes, None]:
    base_url = public_base_url(renderer.request)
    async for plan, rendering in _chain(first, others):
        length = length_of(rendering.pieces)
        yield writer.part(plan.content_type, length=length, location=base_url + plan.path)
        async with aclosing(content_of(renderer.blobs, plan.blob.key, rendering.pieces)) as chunks:
            async for chunk in chunks:
                yield chunk
    yield writer.close()


async def _chain(
    first: tuple[Plan, Rendering], others: AsyncIterator[tuple[Plan, Rendering]]
) -> AsyncIterator[tuple[Plan, Rendering]]:
    yield first
    async for other in others:
        yield other
