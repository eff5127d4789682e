"""The C-FIND provider (PS3.4 C.4.1.3): searches of an origin, each match told as it comes."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from isthmus.common.bus import Bus, search
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.statuses import (
    PENDING,
    PENDING_WITHOUT_OPTIONAL_KEYS,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
)
from isthmus.common.errors import NoSuchObject, TooManyMatches
from isthmus.scp.asked import Asked, Response
from isthmus.scp.find_plan import FindPlan, Step, uid_of
from isthmus.scp.identifier_in import FindIdentifier, read_identifier
from isthmus.scp.identifier_out import IdentifierWriter
from isthmus.scp.negotiated import Negotiated
from isthmus.scp.normalized import Refused
from isthmus.scp.outgoing import Outgoing
from isthmus.scp.patients import Patients

_LEVEL: Final = tag_of("QueryRetrieveLevel")
_RETRIEVE_AE_TITLE: Final = tag_of("RetrieveAETitle")


class Finder:
    """Answers C-FIND requests."""

    def __init__(self, bus: Bus, max_parents: int) -> None:
        """Prepare.

        Args:
            bus: where the origins are searched.
            max_parents: most studies or series of the levels above that one request searches in.
        """
        self._bus = bus
        self._max_parents = max_parents

    def __call__(self, asked: Asked) -> Response:
        """Answer a request; in its association's thread.

        Raises:
            Refused: its Identifier is none, or not one for its SOP class.
            OriginError: the origin failed; what was told until then is not the whole.
            UnavailableError: one of our own parts did.
        """
        model = asked.model
        if model is None:
            raise Refused(SOP_CLASS_NOT_SUPPORTED, "This origin has no worklist")
        identifier = read_identifier(asked.identifier(), asked.transfer_syntax_uid)
        negotiated = Negotiated.of(asked.association, asked.sop_class_uid)
        plan = FindPlan.of(identifier, model, relational=negotiated.relational)
        asked.run(self._find(asked, identifier, plan, fuzzy=negotiated.fuzzy))
        return Response(SUCCESS)

    async def _find(self, asked: Asked, identifier: FindIdentifier, plan: FindPlan, *, fuzzy: bool) -> None:
        told = {**identifier.asked, (_LEVEL,): "CS", (_RETRIEVE_AE_TITLE,): "AE"}
        writer = IdentifierWriter(told, asked.transfer_syntax_uid, identifier.character_set)
        of_us: DicomJson = {
            _LEVEL: {"vr": "CS", "Value": [identifier.level]},
            _RETRIEVE_AE_TITLE: {"vr": "AE", "Value": [asked.sender.calling.called_ae_title]},
        }
        status = PENDING_WITHOUT_OPTIONAL_KEYS if plan.unsupported else PENDING
        outgoing = Outgoing(
            asked.association, asked.context_id, asked.message_id, asked.sop_class_uid, status
        )
        try:
            async with aclosing(self._matches(asked.origin.name, plan, fuzzy=fuzzy)) as matches:
                async for match in matches:
                    await outgoing.add(writer.write({**match, **of_us}))
            await outgoing.finish()
        except NoSuchObject:
            await outgoing.finish()
        finally:
            outgoing.close()

    async def _matches(self, origin: str, plan: FindPlan, *, fuzzy: bool) -> AsyncGenerator[DicomJson, None]:
        searching = _Searching(self._bus, origin, plan, self._max_parents, fuzzy=fuzzy)
        if not plan.patients:
            async with aclosing(searching.matches()) as matches:
                async for match in matches:
                    yield match
            return
        patients = Patients(plan.counted)
        async with aclosing(searching.matches()) as matches:
            async for match in matches:
                if patients.add(match):
                    yield match
        for patient in patients.counted():
            yield patient


class _Searching:
    """The queries of one request."""

    def __init__(self, bus: Bus, origin: str, plan: FindPlan, max_parents: int, *, fuzzy: bool) -> None:
        self._bus = bus
        self._origin = origin
        self._plan = plan
        self._max_parents = max_parents
        self._fuzzy = fuzzy

    async def matches(self) -> AsyncGenerator[DicomJson, None]:
        """Give the matches, with what is known of the entities above them."""
        parents: list[tuple[Mapping[Level, str], DicomJson]] = [({}, {})]
        for step in self._plan.above:
            parents = [child for parent in parents async for child in self._children(step, *parent)]
            if len(parents) > self._max_parents:
                raise TooManyMatches(f"More than {self._max_parents} {step.level.value} above the matches")
        for uids, known in parents:
            async with aclosing(self._search(self._plan.target, uids)) as matches:
                async for match in matches:
                    yield {**match, **known}

    async def _children(
        self, step: Step, uids: Mapping[Level, str], known: DicomJson
    ) -> AsyncGenerator[tuple[Mapping[Level, str], DicomJson], None]:
        if not step.needs_query:
            for uid in step.uids:
                yield {**uids, step.level: uid}, {**known, **step.told({}, uid)}
            return
        count = 0
        async with aclosing(self._search(step, uids)) as matches:
            async for match in matches:
                uid = uid_of(match, step.level)
                if not uid:
                    continue
                yield {**uids, step.level: uid}, {**known, **step.told(match, uid)}
                count += 1
                if count > self._max_parents:
                    return

    async def _search(self, step: Step, uids: Mapping[Level, str]) -> AsyncGenerator[DicomJson, None]:
        async with search(self._bus, step.query(self._origin, uids, fuzzy=self._fuzzy)) as matches:
            async for match in matches:
                yield match
