"""What is rendered of an instance: a picture of each frame, an animation, a document (PS3.18 8.7.4)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from starlette.requests import Request

from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.keys import origin_of
from isthmus.common.derived.images import Image
from isthmus.common.dicomweb.accept import MediaRange, Offer, negotiate
from isthmus.common.dicomweb.offers import GIF
from isthmus.common.dicomweb.resource import Resource, service_path
from isthmus.common.errors import NoSuchObject, PixelsUnreadable
from isthmus.common.messages import BlobRef
from isthmus.wado.answers.conditional import ETag, etag_of
from isthmus.wado.answers.documents import Rendering, document_rendering, report_rendering, video_rendering
from isthmus.wado.instances import Instances
from isthmus.wado.parameters.categories import Category, category_of, offers_of
from isthmus.wado.parameters.rendering_parameters import RenderingParameters
from isthmus.wado.pictures.pictures import HELD, VERSION, name_of, require_animation
from isthmus.wado.pictures.rendering import MediaType, RenderRequest


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

    @property
    def name(self) -> tuple[str, ...]:
        """What tells it from others."""
        return (self.blob.key, self.offer.name, "" if self.look is None else name_of(self.look))


@dataclass(frozen=True, slots=True)
class Plans:
    """All that is to be made of one instance, one plan at least; each is made up when it is needed."""

    one: Plan
    """A plan for some other frames."""
    numbers: Sequence[int] = ()
    """The frames that are shown: all of an image are a range, as they may be millions."""
    together: bool = True
    """Whether one rendering shows all of them, and not each its own."""

    def __len__(self) -> int:
        """Count the renderings."""
        return 1 if self.together else len(self.numbers)

    def __iter__(self) -> Iterator[Plan]:
        """Give the plans, in their order."""
        if self.together:
            return iter((self._plan(tuple(self.numbers)),))
        return (self._plan((number,)) for number in self.numbers)

    @property
    def first(self) -> Plan:
        """Give the first plan."""
        return next(iter(self))

    @property
    def name(self) -> tuple[str, ...]:
        """What tells them from others."""
        return (*self.one.name, str(self.numbers))

    def _plan(self, numbers: tuple[int, ...]) -> Plan:
        if self.one.image is None or self.one.look is None:
            return self.one
        path = self.one.path
        if len(numbers) < len(self.one.image.index):
            path += f"/frames/{','.join(map(str, numbers))}"
        look = replace(self.one.look, frame_numbers=numbers)
        return replace(self.one, path=f"{path}/rendered", look=look)


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
            raise unshowable(blob, "It is no image")
        if GIF not in offers_of(blob):
            raise unshowable(blob, "Its pixels are in a form that cannot be decoded here")
        try:
            return await self._instances.images.open(blob)
        except PixelsUnreadable as error:
            raise unshowable(blob, error.detail) from error

    async def plans(self, blob: BlobRef, offer: Offer) -> Plans:
        """Plan all that there is of an instance in a media type: of several frames a picture each.

        Raises:
            InvalidParameter: there is a parameter that the media type does not allow.
            PixelsUnreadable: it is to be an image, and none that can be shown.
        """
        if category_of(blob) is not Category.IMAGE:
            return Plans(Plan(blob, offer, f"{self._path(blob)}/rendered"))
        image = await self.image(blob)
        return self.pictures(image, offer, all_frames(image), together=offer.name == GIF.name)

    def pictures(
        self, image: Image, offer: Offer, numbers: Sequence[int], *, together: bool = False
    ) -> Plans:
        """Plan a picture of each of some frames of an image, or one of all of them together.

        Raises:
            InvalidParameter: there is a parameter that the media type does not allow.
            NoSuchObject: the image has not as many frames.
            TooLarge: they are too many for one picture.
        """
        largest = numbers[-1] if isinstance(numbers, range) else max(numbers)
        if largest > len(image.index):
            raise NoSuchObject(f"The instance has no frame {largest}, but {len(image.index)}")
        if together:
            require_animation(image, len(numbers))
        media_type = MediaType(offer.name)
        self.parameters.check(media_type)
        look = replace(self.parameters.look, media_type=media_type)
        return Plans(Plan(image.blob, offer, self._path(image.blob), image, look), numbers, together)

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

    def etag(self, planned: Plan | Plans, *, weak: bool = False) -> ETag:
        """Name what will be made."""
        return etag_of(self._service, VERSION, *planned.name, weak=weak)

    def _path(self, blob: BlobRef) -> str:
        uids = blob.study_instance_uid, blob.series_instance_uid, blob.sop_instance_uid
        return Resource(self._origin, *uids).path


def all_frames(image: Image) -> range:
    """Give the numbers of all frames of an image."""
    return range(1, len(image.index) + 1)


def choose(ranges: Sequence[MediaRange], offers: Iterable[Offer]) -> Offer:
    """Choose what a client gets: alone rather than as a part, where it takes both.

    Raises:
        NotAcceptable: nothing fits; lists what there is.
    """
    singles = list(dict.fromkeys(offers))
    return negotiate(ranges, [*singles, *(Offer(one.name, multipart=True) for one in singles)]).offer


def unshowable(blob: BlobRef, why: str = "It has neither pixels nor a document") -> PixelsUnreadable:
    """Say that an instance cannot be rendered, and what can be had of it instead."""
    shown = tuple(offer.media_type for offer in offers_of(blob))
    if category_of(blob) is Category.IMAGE:
        shown = ()
    instead = f"it can be rendered as {', '.join(shown)}" if shown else "it can be retrieved as it is"
    return PixelsUnreadable(f"{why}; {instead}", instance=blob.sop_instance_uid, available=shown or HELD)
