"""In which media types and transfer syntaxes the pixels of an image can be had (PS3.18 8.7.3.3).

An octet stream is native by default, and of any transfer syntax where that is asked for: `*` is the held one.
An image type without a transfer syntax is as it is held if that is of it, and else of its default one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from isthmus.common.dicom.encapsulated import OCTET_STREAM, media_type_of
from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicomweb.accept import ANY, MediaRange, Offer, negotiate
from isthmus.common.errors import NotAcceptable
from isthmus.common.pixels.description import PixelDescription
from isthmus.common.pixels.encode import fits
from isthmus.common.pixels.syntaxes import producible

_MULTIPART: Final = "multipart/related"


@dataclass(frozen=True, slots=True)
class PixelForm:
    """How a client gets pixels."""

    media_type: str
    """Of each part, or of the body."""
    transfer_syntax: str
    multipart: bool

    @property
    def content_type(self) -> str:
        """As a header has it."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def choose(
    ranges: Sequence[MediaRange], held: str, obtainable: Sequence[str], *, single: Sequence[str]
) -> PixelForm:
    """Choose how a client gets the pixels of an image.

    Args:
        ranges: What it takes.
        held: The transfer syntax that they are held in.
        obtainable: Those they can be had in, the default first.
        single: Those in which what it asks for is one thing, which need not be in parts.

    Raises:
        NotAcceptable: it takes none of them; lists what there is.
    """
    offers = [
        *_offers(held, obtainable, multipart=True),
        *_offers(held, [syntax for syntax in obtainable if syntax in single], multipart=False),
    ]
    try:
        choice = negotiate([_named(each, held) for each in ranges], offers)
    except NotAcceptable as error:
        available = dict.fromkeys(
            f"{offer.media_type}; transfer-syntax={syntax}"
            for offer in offers
            for syntax in offer.transfer_syntaxes
        )
        raise NotAcceptable(error.detail, tuple(available)) from error
    return PixelForm(choice.offer.name, choice.transfer_syntaxes[0], choice.offer.multipart)


def obtainable_syntaxes(description: PixelDescription) -> tuple[str, ...]:
    """Give the transfer syntaxes in which the pixels of an image can be had, the default first."""
    held = description.transfer_syntax_uid
    return tuple(each for each in producible(held) if each == held or fits(description, each))


def as_held(transfer_syntax: str) -> tuple[str, ...]:
    """List how pixels can be had if they cannot be decoded: as they are held."""
    names = dict.fromkeys((media_type_of(transfer_syntax), OCTET_STREAM))
    return tuple(f'{_MULTIPART}; type="{name}"; transfer-syntax={transfer_syntax}' for name in names)


def _offers(held: str, obtainable: Sequence[str], *, multipart: bool) -> Iterator[Offer]:
    """List what there is, the first of those that a client wants alike first."""

    def offer(media_type: str, syntaxes: Sequence[str]) -> Offer:
        return Offer(media_type, multipart=multipart, transfer_syntaxes=tuple(syntaxes))

    native = [syntax for syntax in obtainable if syntax == EXPLICIT_VR_LITTLE_ENDIAN]
    compressed = sorted(
        (syntax for syntax in obtainable if syntax != EXPLICIT_VR_LITTLE_ENDIAN),
        key=lambda syntax: syntax != held,
    )
    if native:
        yield offer(OCTET_STREAM, native)
    for media_type in dict.fromkeys(map(media_type_of, compressed)):
        if media_type != OCTET_STREAM:
            yield offer(media_type, [each for each in compressed if media_type_of(each) == media_type])
    if compressed:
        yield offer(OCTET_STREAM, compressed)


def _named(media_range: MediaRange, held: str) -> MediaRange:
    """Put the transfer syntax that is held in the place of `*`, unless the media type is for others."""
    if media_range.transfer_syntax != ANY:
        return media_range
    name = (media_range.part_type or "*/*") if media_range.name == _MULTIPART else media_range.name
    of_any = name == OCTET_STREAM or "*" in name
    is_of_held = name == media_type_of(held).lower()
    return replace(media_range, transfer_syntax=held if of_any or is_of_held else None)
