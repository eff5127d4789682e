"""The edge of the normalized services (DIMSE-N, PS3.7 10.1): who asks, in what time, and what is answered.

Whatever a service raises becomes a status with an Error Comment here: pynetdicom would swallow it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from io import BytesIO
from typing import Final, TypeAlias

from opentelemetry.trace import SpanKind
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dsutils import decode

from isthmus.common.auth import Principal, Right, acting_as
from isthmus.common.config import Origin
from isthmus.common.dicom.statuses import PROCESSING_FAILURE, RESOURCE_LIMITATION, SUCCESS, error_comment
from isthmus.common.dicom.uids import check_uid
from isthmus.common.dimse import received_dataset
from isthmus.common.dimse.measured import Role, measured
from isthmus.common.dimse.sockets import heard
from isthmus.common.dimse.spans import tell_status
from isthmus.common.errors import InvalidParameter, IsthmusError
from isthmus.common.telemetry import get_logger, span
from isthmus.common.telemetry.attributes import DICOM_CALLING_AE
from isthmus.common.threads import LoopStopped, run_coroutine_from_thread
from isthmus.scp.callers import Calling

ANSWER_SECONDS: Final = 20.0
"""For one request: it takes a few messages to NATS, each of which has 5 s."""
LARGEST_DATA_SET: Final = 16 * 1024 * 1024
"""Bytes of what such a request may carry: the references of 100,000 instances."""


log = get_logger(__name__)


class Refused(Exception):
    """A request that is not done, with what its sender is told."""

    def __init__(self, status: int, comment: str, error_id: int | None = None) -> None:
        super().__init__(comment)
        self.status = status
        self.comment = comment
        self.error_id = error_id
        """Error ID (0000,0903), where the service defines one."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks, over which association, and of which origin."""

    calling: Calling
    origin: Origin
    association: Association
    principal: Principal


Admit: TypeAlias = Callable[[Association], Requester]
"""Tells who asks; raises `Refused` for who may not."""
Handled: TypeAlias = tuple[Dataset, Dataset | None]
"""What a handler gives pynetdicom: the status with its comment, and a data set."""


def handle(
    event: evt.Event,
    operation: str,
    admit: Admit,
    service: Callable[[Requester], Coroutine[object, object, Dataset | None]],
    loop: asyncio.AbstractEventLoop,
) -> Handled:
    """Have a request done on the loop, and give its answer; for the association's thread.

    Args:
        event: what pynetdicom gives its handlers.
        operation: the DIMSE service, such as `N-ACTION`; also the span's name.
        admit: who may.
        service: does it, and gives the data set of the response.
        loop: where it does.
    """
    calling = event.assoc.requestor.ae_title.strip()
    with (
        span(operation, {DICOM_CALLING_AE: calling}, kind=SpanKind.SERVER) as current,
        measured(operation, Role.SCP, None) as ended,
    ):
        answer = Dataset()
        answer.Status = SUCCESS
        data: Dataset | None = None
        try:
            requester = admit(event.assoc)
            ended.origin = requester.origin.name
            with acting_as(requester.principal, Right.STORE):
                data = run_coroutine_from_thread(service(requester), loop, ANSWER_SECONDS)
        except Refused as refused:
            _refuse(answer, refused.status, refused.comment)
            if refused.error_id is not None:
                answer.ErrorID = refused.error_id
        except IsthmusError as error:
            _refuse(answer, PROCESSING_FAILURE, error.detail)
        except TimeoutError:
            _refuse(answer, PROCESSING_FAILURE, "No answer in time")
        except LoopStopped:
            _refuse(answer, PROCESSING_FAILURE, "The gateway is stopping")
        except Exception:  # the edge: pynetdicom would swallow it
            log.exception(f"{operation} failed")
            _refuse(answer, PROCESSING_FAILURE, "Internal error")
        ended.status = answer.Status
        tell_status(current, answer.Status)
    heard(event.assoc)
    if answer.Status != SUCCESS:
        log.warning(
            "not done",
            operation=operation,
            calling_ae_title=calling,
            status=f"{answer.Status:04X}",
            reason=answer.ErrorComment,
        )
    return answer, data


def _refuse(answer: Dataset, status: int, comment: str) -> None:
    answer.Status = status
    answer.ErrorComment = error_comment(comment)


def read_data_set(data: BytesIO | None, transfer_syntax_uid: str, unreadable: int) -> Dataset:
    """Read the data set of a request; without one, an empty data set.

    Args:
        data: as it came.
        transfer_syntax_uid: that of its presentation context.
        unreadable: the status for what is none.

    Raises:
        Refused: it is too large, or cannot be read.
        StoreUnavailable: it was too large for memory, and the disk did not take it.
    """
    raw = received_dataset(data)
    if raw.size > LARGEST_DATA_SET:
        raise Refused(RESOURCE_LIMITATION, f"The data set is larger than {LARGEST_DATA_SET} bytes")
    syntax = UID(transfer_syntax_uid)
    whole = BytesIO(b"".join(raw.chunks()))
    try:
        return decode(whole, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    except Exception:  # noqa: BLE001 - pydicom raises whatever its readers stumble over
        raise Refused(unreadable, "The data set cannot be read") from None


def uid_of(data: Dataset, keyword: str, *, missing: int, empty: int, invalid: int) -> str:
    """Give the value of an attribute that has to be a UID.

    Raises:
        Refused: with the status for what is wrong; the comment names the attribute.
    """
    value = text_of(data, keyword, missing=missing, empty=empty)
    try:
        return check_uid(value, keyword)
    except InvalidParameter:
        raise Refused(invalid, f"{keyword} is no UID") from None


def text_of(data: Dataset, keyword: str, *, missing: int, empty: int) -> str:
    """Give the value of an attribute that has to have one, without the blanks at its ends.

    Raises:
        Refused: with the status for what is wrong; the comment names the attribute.
    """
    if keyword not in data:
        raise Refused(missing, f"{keyword} is missing")
    found = _value(data, keyword)
    value = "" if isinstance(found, Sequence) else str(found or "").strip("\0 ")
    if not value:
        raise Refused(empty, f"{keyword} is empty")
    return value


def items_of(data: Dataset, keyword: str) -> Sequence | tuple[Dataset, ...]:
    """Give the items of a sequence; none where it is absent, empty or no sequence."""
    value = _value(data, keyword)
    return value if isinstance(value, Sequence) else ()


def _value(data: Dataset, keyword: str) -> object:
    try:
        value: object = data.get(keyword)
    except Exception:  # noqa: BLE001 - a value is read when it is asked for
        return None
    return value
