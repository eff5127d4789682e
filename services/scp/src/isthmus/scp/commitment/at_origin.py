"""Which of the instances that a request names an origin holds: it is asked for them, at IMAGE level."""

from collections.abc import Iterable
from typing import Final

from isthmus.common.bus import Bus, search
from isthmus.common.config import Origin, S3Origin
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.statuses import CLASS_INSTANCE_CONFLICT, NO_SUCH_SOP_INSTANCE, PROCESSING_FAILURE
from isthmus.common.errors import HttpOperationFailed, OperationFailed
from isthmus.common.messages import Query
from isthmus.common.telemetry import get_logger
from isthmus.scp.commitment.requests import Reference
from isthmus.scp.commitment.seeing import Sees

ONE_QUERY: Final = 32
"""UIDs: of 64 characters each they go into a URL that every server takes."""
OF_A_BUCKET: Final = 5_000
"""UIDs in a query that only we answer, and go through all studies for; a message has room for them."""
_SOP_CLASS_UID: Final = tag_of("SOPClassUID")
_SOP_INSTANCE_UID: Final = tag_of("SOPInstanceUID")
_STUDY_INSTANCE_UID: Final = tag_of("StudyInstanceUID")
ASKED: Final = ((_SOP_CLASS_UID,), (_SOP_INSTANCE_UID,), (_STUDY_INSTANCE_UID,))
_PADDING: Final = " \0"
_NOT_THE_QUESTION: Final = frozenset({401, 403, 408, 429})
_SERVER_ERRORS: Final = 500
"""These, and HTTP statuses from this one on, say nothing against the question."""

log = get_logger(__name__)


class OriginSearch:
    """One request's search at an origin; looked again, only what was not there is asked for."""

    def __init__(self, bus: Bus, origin: Origin, references: Iterable[Reference], sees: Sees) -> None:
        self._bus = bus
        self._origin = origin.name
        self._sees = sees
        self._at_once = OF_A_BUCKET if isinstance(origin, S3Origin) else ONE_QUERY
        self._references = tuple(references)
        self._classes: dict[str, str | None] = {}
        """What the origin holds: the SOP class of each instance, as far as it tells."""
        self._unanswered: set[str] = set()
        """What it does not answer questions about."""

    @property
    def failures(self) -> dict[Reference, int]:
        """What is not committed to, each with its Failure Reason (0008,1197; PS3.3 C.14.1.1)."""
        return {reference: reason for reference in self._references if (reason := self._reason(*reference))}

    def _reason(self, sop_class_uid: str, sop_instance_uid: str) -> int:
        if sop_instance_uid in self._unanswered:
            return PROCESSING_FAILURE
        if sop_instance_uid not in self._classes:
            return NO_SUCH_SOP_INSTANCE
        found = self._classes[sop_instance_uid]
        return 0 if found in (None, sop_class_uid) else CLASS_INSTANCE_CONFLICT

    async def look(self) -> None:
        """Ask for what was not found yet.

        Raises:
            OriginError: the origin is away: nothing is known.
            UnavailableError: NATS or the worker is away: likewise.
        """
        missing = [uid for _, uid in self._references if uid not in self._classes]
        missing = list(dict.fromkeys(missing))
        for begin in range(0, len(missing), self._at_once):
            await self._ask(frozenset(missing[begin : begin + self._at_once]))

    async def _ask(self, wanted: frozenset[str]) -> None:
        key = MatchingKey((_SOP_INSTANCE_UID,), tuple(sorted(wanted)))
        query = Query(self._origin, Level.IMAGE, (key,), ASKED)
        found: list[DicomJson] = []
        answers = True
        try:
            async with search(self._bus, query) as matches:
                async for match in matches:
                    found.append(match)  # noqa: PERF401 - what came before a failure stays
        except (OperationFailed, HttpOperationFailed) as error:
            if not _is_about_the_question(error):
                raise
            log.warning("an origin does not tell what it holds", origin=self._origin, detail=error.detail)
            answers = False
        for match in found:
            uid = _text(match, _SOP_INSTANCE_UID)
            if uid in wanted and await self._sees(_text(match, _STUDY_INSTANCE_UID)):
                self._classes[uid] = _text(match, _SOP_CLASS_UID) or None
        if answers:
            self._unanswered -= wanted
        else:
            self._unanswered |= wanted - self._classes.keys()


def _text(match: DicomJson, tag: str) -> str:
    return first_text(match, tag).strip(_PADDING)


def _is_about_the_question(error: OperationFailed | HttpOperationFailed) -> bool:
    """Tell whether asking again later is of no use."""
    if isinstance(error, HttpOperationFailed):
        return error.http_status < _SERVER_ERRORS and error.http_status not in _NOT_THE_QUESTION
    return error.status is None or error.status >> 8 != 0xA7
