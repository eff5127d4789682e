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
        CircuitOpen                 it did not answer several times in a row, and is left alone for a while
        NotDelivered                the origin lists the object, but does not send it
        OriginCancelled             C-CANCEL, because nobody waited any more
      Incomplete                  part of it arrived, and it stays that way; names what is missing
      UnavailableError            one of our own parts is away
        BusUnavailable
        StoreUnavailable            S3
          BlobMissing                 S3 has no such blob, though something names it
          BlobRefused                 S3 has it, but gives it to nobody like us
        NoWorker                    nobody serves this origin
        IdentityProviderAway        nobody can tell whether a token that is new holds
"""

from isthmus.common.errors.base import IsthmusError
from isthmus.common.errors.origin import (
    AssociationAborted,
    AssociationRejected,
    CircuitOpen,
    HttpOperationFailed,
    Incomplete,
    MalformedAnswer,
    NoAcceptedContext,
    NotDelivered,
    NotTried,
    OperationFailed,
    OriginCancelled,
    OriginError,
    OriginTimeout,
    OriginUnreachable,
    TruncatedAnswer,
)
from isthmus.common.errors.own import (
    BlobMissing,
    BlobRefused,
    BusUnavailable,
    ContractError,
    IdentityProviderAway,
    NoWorker,
    SettingsError,
    StoreUnavailable,
    UnavailableError,
)
from isthmus.common.errors.request import (
    Forbidden,
    InvalidParameter,
    MalformedDataset,
    MethodNotAllowed,
    NoDestination,
    NoSuchObject,
    NotAcceptable,
    PixelsUnreadable,
    QueryTooLong,
    RangeNotSatisfiable,
    RequestError,
    TooLarge,
    TooManyMatches,
    TooManyRequests,
    TooSlow,
    TruncatedPayload,
    Unauthenticated,
    UnknownOrigin,
    UnreadablePayload,
    UnsupportedMediaType,
)

__all__ = [
    "AssociationAborted",
    "AssociationRejected",
    "BlobMissing",
    "BlobRefused",
    "BusUnavailable",
    "CircuitOpen",
    "ContractError",
    "Forbidden",
    "HttpOperationFailed",
    "IdentityProviderAway",
    "Incomplete",
    "InvalidParameter",
    "IsthmusError",
    "MalformedAnswer",
    "MalformedDataset",
    "MethodNotAllowed",
    "NoAcceptedContext",
    "NoDestination",
    "NoSuchObject",
    "NoWorker",
    "NotAcceptable",
    "NotDelivered",
    "NotTried",
    "OperationFailed",
    "OriginCancelled",
    "OriginError",
    "OriginTimeout",
    "OriginUnreachable",
    "PixelsUnreadable",
    "QueryTooLong",
    "RangeNotSatisfiable",
    "RequestError",
    "SettingsError",
    "StoreUnavailable",
    "TooLarge",
    "TooManyMatches",
    "TooManyRequests",
    "TooSlow",
    "TruncatedAnswer",
    "TruncatedPayload",
    "Unauthenticated",
    "UnavailableError",
    "UnknownOrigin",
    "UnreadablePayload",
    "UnsupportedMediaType",
]
