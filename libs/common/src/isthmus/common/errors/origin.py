"""The origin does not do what it was asked, or only a part of it."""

from collections.abc import Collection, Sequence

from isthmus.common.errors.base import IsthmusError


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
