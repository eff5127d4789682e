"""What is rendered of an instance: a picture of each frame, an animation, a document (PS3.18 8.7.4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import origin_of
from isthmus.common.dicomweb.accept import MediaRange, Offer, negotiate
from isthmus.common.dicomweb.offers import GIF
from isthmus.common.dicomweb.resource import Resource, service_path
from isthmus.common.errors import NoSuchObject, PixelsUnreadable
from isthmus.common.messages import BlobRef
from isthmus.wado.categories import Category, category_of, offers_of
from isthmus.wado.conditional import ETag, etag_of
from isthmus.wado.documents import Rendering, document_rendering, report_rendering, video_rendering
from isthmus.wado.images import Image
from isthmus.wado.instances import Instances
from isthmus.wado.pictures import HELD, VERSION, name_of
from isthmus.wado.rendering import MediaType, RenderRequest
from isthmus.wado.rendering_parameters import RenderingParameters


@dataclass(frozen=True, slots=True)
class Plan:
    """A rendering that is to be made."""

    blob: BlobRef
    offer: Offer
    path: str
    """Of its URL."""
    image: Image | None = None
    look: RenderRequest | None = None
    """Which frames, and how, of an image."""

    @property
    def content_type(self) -> str:
        """What it is, as a header has it."""
        is_written_here = category_of(self.blob) is Category.REPORT
        return f"{self.offer.name}; charset=utf-8" if is_written_here else self.offer.name


class Renderer:
    """Makes the renderings of one request."""

    def __init__(
        self, instances: Instances, request: Request, resource: Resource, parameters: RenderingParameters
    ) -> None:
        """Begin.

        Args:
            instances: Where they come from.
            request: Of the client.
            resource: What it is about.
            parameters: How pictures shall look.
        """
        self.request: Final = request
        self.blobs: Final[BlobStore] = instances.blobs
        self.parameters: Final = parameters
        self._instances = instances
        self._origin = resource.origin
        self._service = service_path(resource.origin)

    async def image(self, blob: BlobRef) -> Image:
        """Open an instance of which pictures are wanted.

        Raises:
            PixelsUnreadable: there can be none.
        """
        if category_of(blob) not in {Category.IMAGE, Category.VIDEO}:
            raise unshowable(blob, "it is no image")
        if GIF not in offers_of(blob):
            raise unshowable(blob, "its pixels are in a form that cannot be decoded here")
        return await self._instances.images.open(origin_of(blob.key), blob)

    async def plans(self, blob: BlobRef, offer: Offer) -> list[Plan]:
        """Plan all that there is of an instance in a media type: of several frames a picture each.

        Raises:
            InvalidParameter: there is a parameter that the media type does not allow.
            PixelsUnreadable: it is to be an image, and none that can be shown.
        """
        if category_of(blob) is not Category.IMAGE:
            return [Plan(blob, offer, f"{self._path(blob)}/rendered")]
        image = await self.image(blob)
        numbers = range(1, len(image.index) + 1)
        if offer.name == GIF.name:
            return [self.plan(image, offer, tuple(numbers))]
        return [self.plan(image, offer, (number,)) for number in numbers]

    def plan(self, image: Image, offer: Offer, numbers: tuple[int, ...]) -> Plan:
        """Plan a picture of some frames of an image.

        Raises:
            InvalidParameter: there is a parameter that the media type does not allow.
            NoSuchObject: the image has not as many frames.
        """
        if max(numbers) > len(image.index):
            raise NoSuchObject(f"The instance has no frame {max(numbers)}, but {len(image.index)}")
        media_type = MediaType(offer.name)
        self.parameters.check(media_type)
        path = self._path(image.blob)
        if len(numbers) < len(image.index):
            path += f"/frames/{','.join(map(str, numbers))}"
        look = replace(self.parameters.look, media_type=media_type, frame_numbers=numbers)
        return Plan(image.blob, offer, f"{path}/rendered", image, look)

    async def rendering(self, plan: Plan) -> Rendering:
        """Make a rendering.

        Raises:
            PixelsUnreadable: the pixels are damaged, or in a form that cannot be decoded here.
            TooLarge: it is larger than a limit.
            NotDelivered: what the origin sent cannot be read.
            InvalidParameter: a parameter does not fit the image.
        """
        blob, offer, instances = plan.blob, plan.offer, self._instances
        if plan.image is not None and plan.look is not None:
            keep = self.parameters.keep
            return Rendering((await instances.pictures.picture(plan.image, plan.look, keep=keep),))
        origin = origin_of(blob.key)
        match category_of(blob):
            case Category.REPORT:
                return await report_rendering(instances, origin, blob, offer, self._service)
            case Category.DOCUMENT:
                return await document_rendering(instances, origin, blob, offer)
            case _:
                return await video_rendering(instances, origin, blob)

    def etag(self, plans: Sequence[Plan], *, weak: bool = False) -> ETag:
        """Name what will be made."""
        parts = [self._service, VERSION]
        for plan in plans:
            parts += [plan.blob.key, plan.offer.name, "" if plan.look is None else name_of(plan.look)]
        return etag_of(*parts, weak=weak)

    def _path(self, blob: BlobRef) -> str:
        uids = blob.study_instance_uid, blob.series_instance_uid, blob.sop_instance_uid
        return Resource(self._origin, *uids).path


def choose(ranges: Sequence[MediaRange], offers: Iterable[Offer]) -> Offer:
    """Choose what a client gets: alone rather than as a part, where it takes both.

    Raises:
        NotAcceptable: nothing fits; lists what there is.
    """
    singles = list(dict.fromkeys(offers))
    return negotiate(ranges, [*singles, *(Offer(one.name, multipart=True) for one in singles)]).offer


def unshowable(blob: BlobRef, why: str = "it has neither pixels nor a document") -> PixelsUnreadable:
    """Say that an instance cannot be rendered, and what can be had of it instead."""
    shown = tuple(offer.media_type for offer in offers_of(blob))
    instead = f"it can be rendered as {', '.join(shown)}" if shown else "it can be retrieved as it is"
    detail = f"The instance cannot be rendered so, as {why}; {instead}"
    return PixelsUnreadable(detail, instance=blob.sop_instance_uid, available=shown or HELD)
