"""Failures, as they cross the bus."""

from dataclasses import dataclass
from typing import Final, Self

from isthmus.common import errors
from isthmus.common.errors import IsthmusError

_ORIGIN_ERRORS: Final[dict[str, type[errors.OriginError]]] = {
    kind.__name__: kind
    for kind in (
        errors.OriginUnreachable,
        errors.AssociationRejected,
        errors.NoAcceptedContext,
        errors.OriginTimeout,
        errors.NotTried,
        errors.AssociationAborted,
        errors.CircuitOpen,
        errors.NotDelivered,
        errors.OriginCancelled,
        errors.MalformedAnswer,
        errors.TruncatedAnswer,
    )
}
_OTHERS: Final[dict[str, type[IsthmusError]]] = {
    kind.__name__: kind
    for kind in (
        errors.ContractError,
        errors.Forbidden,
        errors.NoSuchObject,
        errors.TooManyMatches,
        errors.MalformedDataset,
        errors.BusUnavailable,
        errors.StoreUnavailable,
        errors.BlobMissing,
        errors.BlobRefused,
        errors.NoWorker,
    )
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of `isthmus.common.errors` on its way to whoever asked."""

    kind: str
    """The name of the error's class."""
    detail: str
    origin: str = ""
    status: int | None = None
    """The DIMSE status, where the origin gave one."""
    operation: str | None = None
    """The DIMSE operation that failed."""
    http_status: int | None = None
    """The HTTP status, where a DICOMweb origin gave one."""
    retry_after: float | None = None
    """Seconds, where it said after how many it can be asked again."""

    @classmethod
    def of(cls, error: IsthmusError) -> Self:
        """Write down an error."""
        if isinstance(error, errors.OperationFailed):
            return cls("OperationFailed", error.detail, error.origin, error.status, error.operation)
        if isinstance(error, errors.HttpOperationFailed):
            return cls(
                "HttpOperationFailed",
                error.detail,
                error.origin,
                error.status,
                http_status=error.http_status,
                retry_after=error.retry_after,
            )
        if isinstance(error, errors.OriginError):
            return cls(type(error).__name__, error.detail, error.origin, error.status)
        return cls(type(error).__name__, error.detail)

    def error(self) -> IsthmusError:
        """Give the error back, to be raised at the other side."""
        if self.kind == "OperationFailed":
            return errors.OperationFailed(
                self.detail, origin=self.origin, status=self.status, operation=self.operation
            )
        if self.kind == "HttpOperationFailed" and self.http_status is not None:
            return errors.HttpOperationFailed(
                self.detail,
                origin=self.origin,
                status=self.status,
                http_status=self.http_status,
                retry_after=self.retry_after,
            )
        if self.kind == "InvalidParameter":
            parameter, _, detail = self.detail.partition(": ")
            return errors.InvalidParameter(parameter, detail)
        if origin_error := _ORIGIN_ERRORS.get(self.kind):
            return origin_error(self.detail, origin=self.origin, status=self.status)
        return _OTHERS.get(self.kind, IsthmusError)(self.detail)
