"""Content negotiation (PS3.18 8.7.8): what the client takes, what we offer, what it gets."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote

from starlette.requests import Request

from isthmus.common.dicomweb.media_type import MediaType
from isthmus.common.errors import InvalidParameter, NotAcceptable

ANY: Final = "*"
"""In place of a transfer syntax: whichever the object is held in (PS3.18 8.7.3.5.2)."""

_MULTIPART: Final = "multipart/related"
# ".2" is none of RFC 9110's weights, but java.net.HttpURLConnection sends it by default.
_WEIGHT: Final = re.compile(r"0?\.\d{1,3}|0\.?|1(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range of Accept, with its weight."""

    name: str
    """"application/dicom", "multipart/related", or with wildcards "application/*", "*/*"."""
    part_type: str | None = None
    """The `type` parameter of multipart/related (RFC 2387)."""
    transfer_syntax: str | None = None
    """A Transfer Syntax UID, `ANY`, or none named."""
    q: float = 1.0
    in_query: bool = False
    """It stands in the query parameter, which goes before the header."""

    @classmethod
    def of(cls, media_type: MediaType, *, in_query: bool) -> Self:
        """Read the parameters that negotiation knows; the others do not matter here.

        Raises:
            InvalidParameter: The weight is none.
        """
        weight = media_type.parameter("q")
        if weight is not None and not _WEIGHT.fullmatch(weight):
            raise InvalidParameter("Accept", "a weight (q) is a number from 0 to 1 with up to three decimals")
        part_type = media_type.parameter("type")
        return cls(
            name=media_type.name,
            part_type=part_type.strip().lower() if part_type is not None else None,
            transfer_syntax=media_type.parameter("transfer-syntax"),
            q=1.0 if weight is None else float(weight),
            in_query=in_query,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """A representation that we can give."""

    name: str
    """The media type, of each part if it is multipart."""
    multipart: bool = False
    transfer_syntaxes: tuple[str, ...] = ()
    """Those it can be given in, the best first; `ANY`: as held. None where they mean nothing: JSON."""

    @property
    def media_type(self) -> str:
        """The media type as a header has it, without a boundary."""
        return f'{_MULTIPART}; type="{self.name}"' if self.multipart else self.name


@dataclass(frozen=True, slots=True)
class Choice:
    """The representation that the client gets."""

    offer: Offer
    transfer_syntaxes: tuple[str, ...] = ()
    """Those that the client takes, the most wanted first; `ANY` stands for every one not refused."""
    refused: frozenset[str] = frozenset()
    """Those that the client excludes with a weight of 0."""

    def takes(self, transfer_syntax: str) -> bool:
        """Tell whether the client takes an object in the syntax in which it is held."""
        if not self.offer.transfer_syntaxes or transfer_syntax in self.transfer_syntaxes:
            return True
        return ANY in self.transfer_syntaxes and transfer_syntax not in self.refused

    def require(self, transfer_syntax: str) -> None:
        """Make sure that the client takes an object in the syntax in which it is held.

        Raises:
            NotAcceptable: It does not.
        """
        if not self.takes(transfer_syntax):
            raise NotAcceptable(
                "The object is not held in a transfer syntax that was asked for",
                [f"{self.offer.media_type}; transfer-syntax={transfer_syntax}"],
            )


def parse_accept(header: str | None, query: str | None = None) -> list[MediaRange]:
    """Read the Accept header (PS3.18 8.4.1.1) and the `accept` query parameter (8.3.3.1).

    Without either, everything is acceptable, though the standard makes the header mandatory.

    Raises:
        InvalidParameter: One of them cannot be read; names Accept.
    """
    ranges = [MediaRange.of(found, in_query=True) for found in MediaType.parse_list(query or "")]
    ranges += [MediaRange.of(found, in_query=False) for found in MediaType.parse_list(header or "")]
    return ranges or [MediaRange("*/*")]


def accepted_by(request: Request) -> list[MediaRange]:
    """Read what a request's client takes, from each of its Accept headers and `accept` parameters.

    Raises:
        InvalidParameter: It cannot be read; names Accept.
    """
    # Not from query_params: they make "+" a space, and "accept=application/dicom+json" is what people write.
    pairs = (pair.partition("=") for pair in request.url.query.split("&"))
    query = ",".join(unquote(value) for key, _, value in pairs if unquote(key) == "accept")
    return parse_accept(",".join(request.headers.getlist("accept")), query)


def negotiate(ranges: Sequence[MediaRange], offers: Sequence[Offer], *, held: str | None = None) -> Choice:
    """Choose what the client gets: the best by the query parameter, or else by the header (PS3.18 8.7.8.1).

    Args:
        ranges: What the client takes.
        offers: What there is for this resource, at least one; the first is the default, and wins where
            weights are equal.
        held: The Transfer Syntax UID of the object, where it is known by now. Where it is not, an explicit
            `transfer-syntax` counts as available, and `Choice.require` must have the last word.

    Raises:
        NotAcceptable: Nothing fits; lists what there is.
    """
    for in_query in (True, False):
        source = [each for each in ranges if each.in_query is in_query]
        weighed = [_weigh(source, offer, held) for offer in offers]
        q, choice = max(weighed, key=lambda candidate: candidate[0])
        if q > 0:
            return choice
    raise NotAcceptable("None of the media types asked for is available", _available(offers, held))


def _weigh(ranges: Sequence[MediaRange], offer: Offer, held: str | None) -> tuple[float, Choice]:
    """Weigh each transfer syntax of an offer; its best one counts."""
    weights = {syntax: _quality(ranges, offer, syntax) for syntax in _candidates(ranges, offer, held)}
    by_weight = sorted(weights, key=lambda syntax: -weights[syntax])
    return max(weights.values()), Choice(
        offer,
        tuple(syntax for syntax in by_weight if syntax and weights[syntax] > 0),
        frozenset(syntax for syntax in by_weight if syntax and not weights[syntax]),
    )


def _candidates(ranges: Iterable[MediaRange], offer: Offer, held: str | None) -> Sequence[str]:
    """List the syntaxes to weigh: for objects as held, each that is named, then all others as one."""
    if ANY not in offer.transfer_syntaxes:
        return offer.transfer_syntaxes or ("",)
    if held is not None:
        return (held,)
    return [*dict.fromkeys(each.transfer_syntax for each in ranges if each.transfer_syntax), ANY]


def _quality(ranges: Iterable[MediaRange], offer: Offer, transfer_syntax: str) -> float:
    """Give the weight of the most specific range that covers a representation (RFC 9110 12.5.1)."""
    covering = [
        (_specificity(each), each.q)
        for each in ranges
        if _covers_type(each, offer) and _covers_transfer_syntax(each, transfer_syntax)
    ]
    return max(covering)[1] if covering else 0.0


def _specificity(media_range: MediaRange) -> tuple[bool, ...]:
    return (
        media_range.name != "*/*",
        "*" not in media_range.name,
        media_range.part_type is not None,
        media_range.transfer_syntax not in {None, ANY},
    )


def _covers_type(media_range: MediaRange, offer: Offer) -> bool:
    if media_range.name == "*/*":
        return True
    name = _MULTIPART if offer.multipart else offer.name
    if media_range.name.endswith("/*"):
        return name.startswith(media_range.name[:-1])
    if media_range.name != name:
        return False
    return not offer.multipart or media_range.part_type in {None, offer.name}


def _covers_transfer_syntax(media_range: MediaRange, transfer_syntax: str) -> bool:
    return not transfer_syntax or media_range.transfer_syntax in {None, ANY, transfer_syntax}


def _available(offers: Sequence[Offer], held: str | None) -> list[str]:
    return [
        f"{offer.media_type}; transfer-syntax={held}"
        if held is not None and ANY in offer.transfer_syntaxes
        else offer.media_type
        for offer in offers
    ]
