"""The C-FIND provider (PS3.4 C.4.1.3): searches of an origin, each match told as it comes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from opentelemetry.trace import get_current_span

from isthmus.common.auth import Right
from isthmus.common.bus import Bus, search
from isthmus.common.config import DicomwebOrigin, DimseOrigin
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.statuses import (
    NOT_AUTHORIZED,
    PENDING,
    PENDING_WITHOUT_OPTIONAL_KEYS,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
)
from isthmus.common.errors import IsthmusError, NoAcceptedContext, NoSuchObject
from isthmus.common.messages import WorklistQuery
from isthmus.common.telemetry.attributes import DICOM_MATCHES
from isthmus.scp.asked import Asked, Response
from isthmus.scp.callers import Callers
from isthmus.scp.finding.everywhere import Searcher
from isthmus.scp.finding.identifier_in import FindIdentifier, read_identifier
from isthmus.scp.finding.identifier_out import IdentifierWriter
from isthmus.scp.finding.negotiated import is_fuzzy
from isthmus.scp.finding.outgoing import Outgoing
from isthmus.scp.finding.plan import FindPlan
from isthmus.scp.finding.searching import Searching
from isthmus.scp.models import Model
from isthmus.scp.normalized import Refused

_LEVEL: Final = tag_of("QueryRetrieveLevel")
_RETRIEVE_AE_TITLE: Final = tag_of("RetrieveAETitle")
_NO_WORKLIST: Final = "This origin has no worklist"


class Finder:
    """Answers C-FIND requests."""

    def __init__(self, bus: Bus, callers: Callers, searcher: Searcher, max_parents: int) -> None:
        """Prepare.

        Args:
            bus: where worklists are searched.
            callers: what who asks may see.
            searcher: searches an origin, or all of them.
            max_parents: most studies or series of the levels above that one request searches in.
        """
        self._bus = bus
        self._callers = callers
        self._searcher = searcher
        self._max_parents = max_parents

    def __call__(self, asked: Asked) -> Response:
        """Answer a request; in its association's thread.

        Raises:
            Refused: its Identifier is none, or not one for its SOP class; the origin has no worklist.
            OriginError: the origin failed; what was told until then is not the whole.
            UnavailableError: one of our own parts did.
        """
        identifier = read_identifier(asked.identifier(), asked.transfer_syntax_uid)
        if asked.model is None:
            self._search_worklist(asked, identifier)
        else:
            self._search(asked, identifier, asked.model)
        return Response(SUCCESS)

    def _search(self, asked: Asked, identifier: FindIdentifier, model: Model) -> None:
        plan = FindPlan.of(identifier, model)
        fuzzy = is_fuzzy(asked.association, asked.sop_class_uid)
        matches_of = self._searcher.seen_with(self._callers.permits(asked.sender.principal, Right.SEARCH))
        searching = Searching(matches_of, asked.origin.name, plan, self._max_parents, fuzzy=fuzzy)
        told = {**identifier.asked, (_LEVEL,): "CS", (_RETRIEVE_AE_TITLE,): "AE"}
        of_us: DicomJson = {
            _LEVEL: {"vr": "CS", "Value": [identifier.level]},
            _RETRIEVE_AE_TITLE: {"vr": "AE", "Value": [asked.sender.calling.called_ae_title]},
        }
        writer = IdentifierWriter(told, asked.transfer_syntax_uid, identifier.character_set)
        asked.run(_tell(asked, searching.matches(), writer, of_us, unsupported=plan.unsupported))

    def _search_worklist(self, asked: Asked, identifier: FindIdentifier) -> None:
        """Search the worklist of a PACS or a DICOMweb server: buckets and inboxes have none."""
        if not isinstance(asked.origin, DimseOrigin | DicomwebOrigin):
            raise Refused(SOP_CLASS_NOT_SUPPORTED, _NO_WORKLIST)
        permit = self._callers.permits(asked.sender.principal, Right.SEARCH)[asked.origin.name]
        if not permit.is_whole:  # steps that are scheduled are of no study yet that could be looked at
            raise Refused(NOT_AUTHORIZED, "The worklist is for those who may see all studies")
        query = WorklistQuery(asked.origin.name, identifier.keys, tuple(identifier.asked))
        writer = IdentifierWriter(identifier.asked, asked.transfer_syntax_uid, identifier.character_set)
        matches = self._worklist_matches(query)
        try:
            asked.run(_tell(asked, matches, writer, {}, unsupported=identifier.unsupported))
        except NoAcceptedContext:
            raise Refused(SOP_CLASS_NOT_SUPPORTED, _NO_WORKLIST) from None

    async def _worklist_matches(self, query: WorklistQuery) -> AsyncGenerator[DicomJson, None]:
        async with search(self._bus, query) as matches:
            async for match in matches:
                yield match


async def _tell(
    asked: Asked,
    matches: AsyncGenerator[DicomJson, None],
    writer: IdentifierWriter,
    of_us: DicomJson,
    *,
    unsupported: bool,
) -> None:
    """Tell a client of matches as they come."""
    status = PENDING_WITHOUT_OPTIONAL_KEYS if unsupported else PENDING
    outgoing = Outgoing(asked.association, asked.context_id, asked.message_id, asked.sop_class_uid, status)
    try:
        async with aclosing(matches):
            async for match in matches:
                if asked.stopped:
                    raise asyncio.CancelledError
                await outgoing.add(writer.write({**match, **of_us}))
        await outgoing.finish()
    except IsthmusError as error:
        await outgoing.finish()  # what was found is told first
        if not isinstance(error, NoSuchObject):  # what there is not, does not match
            raise
    finally:
        outgoing.close()
        get_current_span().set_attribute(DICOM_MATCHES, outgoing.count)
