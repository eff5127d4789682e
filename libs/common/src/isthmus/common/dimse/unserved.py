"""Requests that no service here takes: they get an answer that says why.

pynetdicom gives a request without one of its parameters no answer at all, hands whatever comes for a storage
SOP class to who takes C-STORE, and aborts the association at the others.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pynetdicom.dimse_primitives import C_STORE

from isthmus.common.dicom.statuses import DATA_SET_MISMATCH, MISTYPED_ARGUMENT, UNRECOGNIZED_OPERATION
from isthmus.common.telemetry import get_logger

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.dimse_primitives import DimseServiceType

Served = Mapping[str, "tuple[type[DimseServiceType], ...]"]
"""What is taken, by SOP class UID."""

log = get_logger(__name__)


def refuse_unserved(association: "Association", served: Served) -> None:
    """Let an acceptor that is about to run answer what nobody would; C-STORE is taken for every SOP class."""
    serve = association._serve_request

    def checked(request: "DimseServiceType", context_id: int) -> None:
        wrong = _wrong(request, served) if context_id in association._accepted_cx else None
        if wrong is None:
            serve(request, context_id)
        elif request.MessageID is None:
            log.warning("a request without a Message ID, the association is aborted")
            association.abort()
        else:
            _refuse(association, request, context_id, *wrong)

    association._serve_request = checked  # type: ignore[assignment]  # what its thread calls


def _wrong(request: "DimseServiceType", served: Served) -> tuple[int, str] | None:
    """Tell why nobody takes a request, with the status of the answer; None where somebody may."""
    if getattr(request, "MessageIDBeingRespondedTo", 0) is not None:
        return None  # a response, or nothing that came from the peer
    for keyword in request.REQUEST_KEYWORDS:
        if getattr(request, keyword) is None:
            status = DATA_SET_MISMATCH if isinstance(request, C_STORE) else MISTYPED_ARGUMENT
            return status, f"{keyword} is missing in the command"
    if isinstance(request, (C_STORE, *served.get(_sop_class_uid(request), ()))):
        return None
    return UNRECOGNIZED_OPERATION, f"{request.msg_type} is not done for this SOP class"


def _sop_class_uid(request: "DimseServiceType") -> str:
    for keyword in ("AffectedSOPClassUID", "RequestedSOPClassUID"):
        if getattr(request, keyword, None) is not None:
            return str(getattr(request, keyword))
    return ""


def _refuse(
    association: "Association", request: "DimseServiceType", context_id: int, status: int, reason: str
) -> None:
    answer = type(request)()
    answer.MessageIDBeingRespondedTo = request.MessageID
    answer.Status = status
    answer.ErrorComment = reason  # type: ignore[assignment]  # upstream declares no type for all of them
    log.warning(
        "not done",
        operation=request.msg_type.removesuffix("-RQ"),
        calling_ae_title=association.requestor.ae_title.strip(),
        status=f"{status:04X}",
        reason=reason,
    )
    association.dimse.send_msg(answer, context_id)
