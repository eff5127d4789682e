"""The tree of what can fail.

Every failure is one of these. `isthmus.common.dicomweb.problem` maps each class once to an HTTP status,
`isthmus.common.dimse.status` once to a DIMSE status, and `isthmus.common.messages` carries it over the bus.

    IsthmusError
      SettingsError               the settings are wrong: exit 2, before anything is started
      ContractError               a message on the bus that is not what the contract says
      RequestError                what the client sent cannot be done
        InvalidParameter            a query parameter, a UID or a header; names it
        Unauthenticated             nobody knows who asks: no credential, or one that does not hold
        Forbidden                   who asks is known, and may not do this
        TooManyRequests             more at a time than one client may have
        UnknownOrigin
        NoSuchObject                the origin has no such study, series, instance or value
        MethodNotAllowed            the resource is there, but not for this method; lists those that it has
        NotAcceptable               no representation that the client takes; lists what there is
          PixelsUnreadable            the pixels are corrupt, or in a form that nobody here can read
        RangeNotSatisfiable         the bytes that are wanted lie beyond the end
        TooLarge                    more than a limit of ours; names the instance or the parameter
        QueryTooLong                the query of the URL is longer than a limit of ours
        TooSlow                     the body of the request does not go on
        UnsupportedMediaType        no payload that we take
        UnreadablePayload           the payload cannot be read at all
          TruncatedPayload          it ended before its end was marked; what came before may be good
          MalformedDataset          no DICOM file or data set, or one without a UID that it must have
        NoDestination               nobody said which origin takes what is stored at all of them
        TooManyMatches              the fan-out of a relational search passed its cap
      OriginError                 the origin does not do it; carries its name and DIMSE status
        OriginUnreachable           no connection
        AssociationRejected
        NoAcceptedContext           the association is there, but not for what we need
        OriginTimeout               silence for longer than the origin's time-out
          NotTried                    it was silent about others, so this was not sent at all
        AssociationAborted          aborted, or the connection was lost in the middle
        OperationFailed             a failure status
        HttpOperationFailed         an HTTP status that is no success
        MalformedAnswer             what it answers is not what DICOMweb has there
          TruncatedAnswer             it ended before its end was marked; what came before may be good
        NotDelivered                the origin lists the object, but does not send it
        OriginCancelled             C-CANCEL, because nobody waited any more
      Incomplete                  part of it arrived, and it stays that way; names what is missing
      UnavailableError            one of our own parts is away
        BusUnavailable
        StoreUnavailable            S3
          BlobMissing                 S3 has no such blob, though something names it
        NoWorker                    nobody serves this origin
        IdentityProviderAway        nobody can tell whether a token that is new holds
"""

from collections.abc import Collection, Sequence
from typing import ClassVar


class IsthmusError(Exception):
    """A failure with a detail that a person can read; it never holds patient data."""

    title: ClassVar[str] = "Something failed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class SettingsError(IsthmusError):
    """The settings are wrong."""

    title = "The settings are wrong"


class ContractError(IsthmusError):
    """A message on the bus is not what the contract says."""

    title = "A message on the bus could not be understood"


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


class OriginError(IsthmusError):
    """The origin does not do what it was asked."""

    title = "The origin failed"

    def __init__(self, detail: str, *, origin: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.origin = origin
        self.status = status
        """The DIMSE status (PS3.7 Annex C), where the origin gave one."""


class OriginUnreachable(OriginError):
    """No connection to the origin."""

    title = "The origin cannot be reached"

    def __init__(
        self, detail: str, *, origin: str, status: int | None = None, tls_fault: str | None = None
    ) -> None:
        super().__init__(detail, origin=origin, status=status)
        self.tls_fault = tls_fault
        """Why there is no TLS with it (`isthmus.common.dimse.tls_fault`); None where TLS is not why."""


class AssociationRejected(OriginError):
    """The origin rejected the association (PS3.8 9.3.4)."""

    title = "The origin rejected the association"

    def __init__(
        self,
        detail: str,
        *,
        origin: str,
        status: int | None = None,
        rejection: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__(detail, origin=origin, status=status)
        self.rejection = rejection
        """Result, source and reason (PS3.8 Table 9-21), where it is we whom it rejected."""


class NoAcceptedContext(OriginError):
    """The origin accepted no presentation context for what is needed."""

    title = "The origin does not support the operation"

    def __init__(
        self,
        detail: str,
        *,
        origin: str,
        status: int | None = None,
        refused_syntaxes: Collection[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail, origin=origin, status=status)
        self.refused_syntaxes = refused_syntaxes
        """SOP classes with transfer syntaxes: those of which it was the transfer syntax that it refused."""


class OriginTimeout(OriginError):
    """The origin was silent for longer than its time-out."""

    title = "The origin did not answer in time"


class NotTried(OriginTimeout):
    """The origin was silent about others before, and was not asked for this: that says nothing of it."""


class AssociationAborted(OriginError):
    """The association was aborted, or its connection lost, in the middle of an operation."""

    title = "The origin broke off"


class OperationFailed(OriginError):
    """The origin answered with a failure status."""

    title = "The origin answered with a failure"

    def __init__(
        self, detail: str, *, origin: str, status: int | None = None, operation: str | None = None
    ) -> None:
        super().__init__(detail, origin=origin, status=status)
        self.operation = operation
        """The DIMSE service, such as "C-GET", where it is known: A900 is a client's fault in C-FIND only."""


class HttpOperationFailed(OriginError):
    """A DICOMweb origin answered with an HTTP status that is no success (RFC 9110 15)."""

    title = "The origin answered with a failure"

    def __init__(
        self,
        detail: str,
        *,
        origin: str,
        status: int | None = None,
        http_status: int,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail, origin=origin, status=status)
        self.http_status = http_status
        self.retry_after = retry_after
        """Seconds, where the origin says after how many it can be asked again."""


class MalformedAnswer(OriginError):
    """The origin answered, but not with what DICOMweb has there."""

    title = "The origin's answer cannot be read"


class TruncatedAnswer(MalformedAnswer):
    """The origin's answer ended, or its connection was lost, before its end was marked."""

    title = "The origin broke off"


class CircuitOpen(OriginError):
    """The origin did not answer several times in a row, and is left alone for some seconds."""

    title = "The origin is away"


class NotDelivered(OriginError):
    """The origin lists the object but sent nothing of it."""

    title = "The origin did not deliver"


class OriginCancelled(OriginError):
    """The operation was cancelled, because nobody waited for it any more."""

    title = "The operation was cancelled"


class Incomplete(IsthmusError):
    """Part of what was asked for arrived, the rest did not and will not."""

    title = "The origin delivered only a part"

    def __init__(self, detail: str, *, origin: str, missing: Sequence[str]) -> None:
        super().__init__(detail)
        self.origin = origin
        self.missing = tuple(missing)
        """SOP Instance UIDs."""


class UnavailableError(IsthmusError):
    """One of our own parts is away; it is worth trying again."""

    title = "A part of the gateway is away"


class BusUnavailable(UnavailableError):
    """NATS does not answer."""

    title = "The bus is away"


class StoreUnavailable(UnavailableError):
    """S3 does not answer, or takes nothing."""

    title = "The blob store is away"

    def __init__(self, detail: str, *, code: str = "") -> None:
        super().__init__(detail)
        self.code = code
        """S3's own word for it, such as `SignatureDoesNotMatch`, where it answered with one."""


class BlobMissing(StoreUnavailable):
    """S3 holds no blob of this key, though something names it: deleted meanwhile; fetching again helps."""

    title = "A blob is no longer there"


class BlobRefused(StoreUnavailable):
    """S3 holds the blob, but gives it to nobody like us, or not until it is brought back from an archive."""

    title = "A blob is not given"


class NoWorker(UnavailableError):
    """Nobody on the bus serves this origin."""

    title = "No worker serves the origin"


class IdentityProviderAway(UnavailableError):
    """The identity provider does not answer, so that a token that is new cannot be judged."""

    title = "The identity provider is away"
