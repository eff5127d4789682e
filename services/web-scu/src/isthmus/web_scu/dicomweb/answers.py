"""What a server says of what it was sent, instance by instance (PS3.18 10.5.3, Annex I.2)."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.statuses import (
    DATA_SET_MISMATCH,
    NO_SUCH_SOP_INSTANCE,
    PROCESSING_FAILURE,
    SUB_OPERATIONS_FAILED,
    SUCCESS,
    meaning,
)
from isthmus.common.errors import HttpOperationFailed, MalformedAnswer, OriginError
from isthmus.common.messages import BlobRef, Failure, InstanceStored
from isthmus.common.storing import Numbered, not_stored
from isthmus.common.webclient import StoreAnswer

COERCED: Final = SUB_OPERATIONS_FAILED
"""B000, of C-STORE: coercion of data elements (PS3.4 B.2.3)."""
_FAILED: Final = tag_of("FailedSOPSequence")
_STORED: Final = tag_of("ReferencedSOPSequence")
_INSTANCE: Final = tag_of("ReferencedSOPInstanceUID")
_FAILURE_REASON: Final = tag_of("FailureReason")
_WARNING_REASON: Final = tag_of("WarningReason")
_PADDING: Final = " \0"
_WHOLE: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT})
"""By which a server that says nothing of single instances has stored all of them."""


class Answered:
    """The answer to one request."""

    def __init__(self, answer: StoreAnswer, origin: str) -> None:
        """Read it.

        Args:
            answer: as it came.
            origin: whose it is.
        """
        self._status = answer.http_status
        self._origin = origin
        response = answer.response or {}
        self._failed = {uid: _number(item, _FAILURE_REASON) for uid, item in _items(response, _FAILED)}
        self._stored = {uid: _number(item, _WARNING_REASON) for uid, item in _items(response, _STORED)}

    @property
    def names_any(self) -> bool:
        """Whether it tells of single instances."""
        return bool(self._failed or self._stored)

    @property
    def is_success(self) -> bool:
        """Whether its HTTP status is one."""
        return self._status // 100 == 2

    def of(self, one: Numbered) -> InstanceStored:
        """Give what became of an instance; what nobody says to be stored is not."""
        index, ref = one
        uid = ref.sop_instance_uid.strip(_PADDING)
        if uid in self._failed:
            return self._refused(index, ref, self._failed[uid])
        if uid in self._stored:
            return _stored(index, ref, self._stored[uid])
        if self._status in _WHOLE and not self.names_any:
            return _stored(index, ref, None)
        if self.is_success:
            error = MalformedAnswer("The answer does not say what became of it", origin=self._origin)
            return not_stored(index, ref, error)
        return not_stored(index, ref, self.error())

    def error(self, status: int | None = None) -> OriginError:
        """Make the error of an instance that the server did not store.

        Args:
            status: its own Failure Reason, where there is one.
        """
        reason = f"failed with status {status:04X}: {meaning(status)}" if status else "was refused"
        return HttpOperationFailed(
            f"The store {reason} (HTTP {self._status})",
            origin=self._origin,
            status=status,
            http_status=self._status,
        )

    def _refused(self, index: int, ref: BlobRef, reason: int | None) -> InstanceStored:
        # What is no failure's number cannot stand for one: it would read as stored.
        status = reason if reason and _is_failure(reason) else PROCESSING_FAILURE
        return InstanceStored(
            index, ref.sop_class_uid, ref.sop_instance_uid, status, Failure.of(self.error(status))
        )


def _stored(index: int, ref: BlobRef, reason: int | None) -> InstanceStored:
    warning = reason if reason and reason >> 12 == 0xB else COERCED
    status = warning if reason else SUCCESS
    return InstanceStored(index, ref.sop_class_uid, ref.sop_instance_uid, status)


def _is_failure(status: int) -> bool:
    """Tell whether a number is one of a failure (PS3.7 C.1; PS3.4 B.2.3)."""
    return status >> 8 in (0xA7, 0xA9) or status >> 12 == 0xC or status in _GENERAL


_GENERAL: Final = frozenset(
    {
        *range(0x0105, 0x0107),
        *range(PROCESSING_FAILURE, 0x0116),
        *range(0x0117, 0x0125),
        *range(0x0210, 0x0214),
        DATA_SET_MISMATCH,
        NO_SUCH_SOP_INSTANCE,
    }
)
"""Failures of PS3.7 Annex C; 0107 and 0116 are warnings."""


def _items(response: DicomJson, sequence: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    for item in response.get(sequence, {}).get("Value") or ():
        if isinstance(item, Mapping):
            uid = _first(item, _INSTANCE)
            if isinstance(uid, str):
                yield uid.strip(_PADDING), item


def _number(item: Mapping[str, object], tag: str) -> int | None:
    value = _first(item, tag)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value.strip()[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _first(item: Mapping[str, object], tag: str) -> object:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values[0] if isinstance(values, list) and values else None
