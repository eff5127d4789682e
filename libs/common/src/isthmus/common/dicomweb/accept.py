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
_LEGACY: Final = {"image/x-jls": "image/jls", "image/x-dicom-rle": "image/dicom-rle"}
"""What older clients call media types (PS3.18 2013 to 2015)."""
# ".2" is none of RFC 9110's weights, but java.net.HttpURLConnection sends it by default.
_WEIGHT: Final = re.compile(r"0?\.\d{1,3}|0\.?|1(?:\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range of Accept, with its weight."""

    name: str
    """"application/dicom", "multipart/related", or with wildcards "application/*", "*/*"."""
    part_type: str | None = None
    """The `type` parameter, of multipart/related (RFC 2387) or application/zip; perhaps with wildcards."""
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
            name=_LEGACY.get(media_type.name, media_type.name),
            part_type=_part_type(part_type) if part_type is not None else None,
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
    """Those it can be given in, the best first; `ANY`: depends on each object. None for JSON and the like."""
    holds: str | None = None
    """The media type of what is in it, where it is an archive."""

    @property
    def media_type(self) -> str:
        """The media type as a header has it, without a boundary."""
        return f'{_MULTIPART}; type="{self.name}"' if self.multipart else self.name


@dataclass(frozen=True, slots=True)
class Obtainable:
    """The transfer syntaxes in which an object can be had."""

    as_held: str
    """What a client gets that takes any of them."""
    default: str
    """What it gets if it names none (PS3.18 8.7.3.4)."""
    others: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Give each of them once, the one that costs least first."""
        return tuple(dict.fromkeys((self.as_held, self.default, *self.others)))

    def meant_by(self, transfer_syntax: str | None) -> str:
        """Give the one that a range names by its parameter."""
        if transfer_syntax is None:
            return self.default
        return self.as_held if transfer_syntax == ANY else transfer_syntax


@dataclass(frozen=True, slots=True)
class Choice:
    """The representation that the client gets."""

    offer: Offer
    transfer_syntaxes: tuple[str, ...] = ()
    """Of those of the offer the ones that the client takes, the most wanted first; none if it has `ANY`."""
    ranges: tuple[MediaRange, ...] = ()
    """What the client takes."""

    def syntaxes(self, obtainable: Obtainable) -> tuple[str, ...]:
        """Give the transfer syntaxes in which the client takes an object, the most wanted first.

        Where it wants several alike, the object goes as it is held if that is one of them; then its order
        counts. Where it leaves the choice to us, as it is held is the last resort.

        Raises:
            NotAcceptable: there is none; lists those in which it can be had.
        """
        weights = _weigh_object(self.ranges, self.offer, obtainable)
        taken = sorted((each for each in weights if weights[each] > 0), key=lambda each: -weights[each])
        if not taken:
            raise NotAcceptable(
                "The object cannot be had in a transfer syntax that was asked for",
                _in_syntaxes(self.offer, obtainable),
            )
        # Without what a range means that names none, it means any.
        if _quality(self.ranges, self.offer, obtainable.as_held) > 0:
            taken.append(obtainable.as_held)
        return tuple(dict.fromkeys(taken))

    @property
    def takes_any(self) -> bool:
        """Whether the client says that it takes any transfer syntax."""
        return any(
            each.transfer_syntax == ANY and each.q > 0 and _covers_type(each, self.offer)
            for each in self.ranges
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


def negotiate(
    ranges: Sequence[MediaRange], offers: Sequence[Offer], *, obtainable: Obtainable | None = None
) -> Choice:
    """Choose what the client gets: the best by the query parameter, or else by the header (PS3.18 8.7.8.1).

    Args:
        ranges: What the client takes.
        offers: What there is for this resource, at least one; the first is the default, and wins where
            weights are equal.
        obtainable: How the object can be had, if there is only one and it is known by now. Otherwise any
            transfer syntax that is named counts as available, and `Choice.syntaxes` has the last word.

    Raises:
        NotAcceptable: Nothing fits; lists what there is.
    """
    for in_query in (True, False):
        source = tuple(each for each in ranges if each.in_query is in_query)
        weighed = [_weigh(source, offer, obtainable) for offer in offers]
        q, choice = max(weighed, key=lambda candidate: candidate[0])
        if q > 0:
            return choice
    raise NotAcceptable("None of the media types asked for is available", _available(offers, obtainable))


def _weigh(
    ranges: tuple[MediaRange, ...], offer: Offer, obtainable: Obtainable | None
) -> tuple[float, Choice]:
    """Weigh each transfer syntax of an offer; its best one counts."""
    if ANY not in offer.transfer_syntaxes:
        weights = {syntax: _quality(ranges, offer, syntax) for syntax in offer.transfer_syntaxes or ("",)}
        by_weight = sorted(weights, key=lambda syntax: -weights[syntax])
        taken = tuple(syntax for syntax in by_weight if syntax and weights[syntax] > 0)
        return max(weights.values()), Choice(offer, taken, ranges)
    if obtainable is not None:
        weights = _weigh_object(ranges, offer, obtainable)
    else:
        named = dict.fromkeys(each.transfer_syntax or ANY for each in ranges)
        weights = {syntax: _quality(ranges, offer, syntax) for syntax in (*named, ANY)}
    return max(weights.values()), Choice(offer, (), ranges)


def _weigh_object(ranges: Sequence[MediaRange], offer: Offer, obtainable: Obtainable) -> dict[str, float]:
    """Weigh each transfer syntax in which an object can be had; of those alike the first counts."""
    wanted = (obtainable.meant_by(each.transfer_syntax) for each in ranges)
    candidates = dict.fromkeys((obtainable.as_held, *wanted, *obtainable.all))
    return {
        syntax: _quality(ranges, offer, syntax, obtainable.default)
        for syntax in candidates
        if syntax in obtainable.all
    }


def _quality(
    ranges: Iterable[MediaRange], offer: Offer, transfer_syntax: str, default: str | None = None
) -> float:
    """Give the weight of the most specific range that covers a representation (RFC 9110 12.5.1).

    Args:
        ranges: What the client takes.
        offer: The media type of the representation.
        transfer_syntax: Its transfer syntax; empty where it has none.
        default: What a range without a transfer syntax means; any if it is not given.
    """
    covering = [
        (_specificity(each), each.q)
        for each in ranges
        if _covers_type(each, offer) and _covers_transfer_syntax(each, transfer_syntax, default)
    ]
    return max(covering)[1] if covering else 0.0


def _specificity(media_range: MediaRange) -> tuple[bool, ...]:
    part_type = media_range.part_type
    return (
        media_range.name != "*/*",
        "*" not in media_range.name,
        part_type is not None,
        part_type is not None and "*" not in part_type,
        media_range.transfer_syntax not in {None, ANY},
    )


def _covers_type(media_range: MediaRange, offer: Offer) -> bool:
    name, part_type = (_MULTIPART, offer.name) if offer.multipart else (offer.name, offer.holds)
    if not _matches(media_range.name, name):
        return False
    if media_range.part_type is None or part_type is None:
        return True
    return _matches(media_range.part_type, part_type)


def _matches(pattern: str, name: str) -> bool:
    """Compare a range, which is in lower case, with a media type as it is registered ("video/H265")."""
    if pattern == "*/*":
        return True
    name = name.lower()
    return name.startswith(pattern[:-1]) if pattern.endswith("/*") else name == pattern


def _part_type(text: str) -> str:
    name = text.strip().lower()
    return _LEGACY.get(name, name)


def _covers_transfer_syntax(media_range: MediaRange, transfer_syntax: str, default: str | None) -> bool:
    if media_range.transfer_syntax is None:
        return default is None or transfer_syntax == default
    return not transfer_syntax or media_range.transfer_syntax in {ANY, transfer_syntax}


def _available(offers: Sequence[Offer], obtainable: Obtainable | None) -> list[str]:
    listed: list[str] = []
    for offer in offers:
        by_syntax = obtainable is not None and ANY in offer.transfer_syntaxes
        listed += _in_syntaxes(offer, obtainable) if obtainable and by_syntax else [offer.media_type]
    return listed


def _in_syntaxes(offer: Offer, obtainable: Obtainable) -> list[str]:
    return [f"{offer.media_type}; transfer-syntax={each}" for each in obtainable.all]
