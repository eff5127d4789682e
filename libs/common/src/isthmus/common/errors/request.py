"""What the client sent cannot be done."""

from collections.abc import Sequence

from isthmus.common.errors.base import IsthmusError


class RequestError(IsthmusError):
    """What the client sent cannot be done."""

    title = "The request cannot be done"


class InvalidParameter(RequestError):
    """A query parameter, path segment or header has a value that cannot be."""

    title = "A parameter is invalid"

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}")
        self.parameter = parameter


class Unauthenticated(RequestError):
    """Nobody knows who asks (RFC 9110 15.5.2): there is no credential, or one that does not hold."""

    title = "A credential is needed"

    def __init__(self, detail: str, *, error: str | None = None) -> None:
        super().__init__(detail)
        self.error = error
        """The code of RFC 6750 3.1, where a bearer's credential does not hold: `invalid_token`."""


class Forbidden(RequestError):
    """Who asks is known, and may not do this (RFC 9110 15.5.4)."""

    title = "This is not allowed"


class TooManyRequests(RequestError):
    """One client has more under way at a time than it may (RFC 6585 4)."""

    title = "Too many requests at a time"

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        """Seconds after which it is worth trying again."""


class UnknownOrigin(RequestError):
    """No origin of this name is configured."""

    title = "No such origin"

    def __init__(self, origin: str) -> None:
        super().__init__(f"No origin is named {origin!r}")
        self.origin = origin


class NoSuchObject(RequestError):
    """The origin holds no such study, series, instance or value."""

    title = "No such object"


class MethodNotAllowed(RequestError):
    """The resource does not have this method (RFC 9110 15.5.6)."""

    title = "The method is not allowed"

    def __init__(self, detail: str, allowed: Sequence[str]) -> None:
        super().__init__(detail)
        self.allowed = tuple(allowed)
        """The methods that it has."""


class NotAcceptable(RequestError):
    """None of the representations that there are is one the client takes (PS3.18 8.7.8)."""

    title = "No acceptable representation"

    def __init__(self, detail: str, available: Sequence[str]) -> None:
        super().__init__(detail)
        self.available = tuple(available)


class PixelsUnreadable(NotAcceptable):
    """The pixels of an instance are corrupt, or cannot be had in what was asked for."""

    title = "The pixels cannot be read"

    def __init__(self, detail: str, *, instance: str, available: Sequence[str] = ()) -> None:
        super().__init__(detail, available)
        self.instance = instance
        """Its SOP Instance UID."""


class RangeNotSatisfiable(RequestError):
    """The bytes that are wanted lie beyond the end (RFC 9110 15.5.17)."""

    title = "The range lies beyond the end"

    def __init__(self, size: int) -> None:
        super().__init__(f"There are {size} bytes")
        self.size = size
        """Of the whole, in bytes."""


class TooLarge(RequestError):
    """What was asked for is more than a limit of ours."""

    title = "Too much is asked for"

    def __init__(self, detail: str, *, instance: str | None = None) -> None:
        super().__init__(detail)
        self.instance = instance
        """The SOP Instance UID, where one instance is too large."""


class QueryTooLong(RequestError):
    """The query of the URL is longer than we take (RFC 9110 15.5.15)."""

    title = "The query is too long"


class TooSlow(RequestError):
    """The body of the request does not go on (RFC 9110 15.5.9)."""

    title = "The body does not go on"


class UnsupportedMediaType(RequestError):
    """The payload's media type is none that this resource takes."""

    title = "The payload's media type is not supported"


class UnreadablePayload(RequestError):
    """Nothing of the payload could be read."""

    title = "The payload cannot be read"


class TruncatedPayload(UnreadablePayload):
    """The payload ended before its closing delimiter; the parts before the cut are good."""

    title = "The payload is truncated"


class MalformedDataset(UnreadablePayload):
    """The bytes are no DICOM file or data set, or lack a UID without which no instance can be named."""

    title = "The DICOM object cannot be read"


class NoDestination(RequestError):
    """Which of the origins takes what is stored at all of them is not set."""

    title = "No origin is set for storing"


class TooManyMatches(RequestError):
    """A search would need more queries than the cap allows."""

    title = "The search is too wide"
