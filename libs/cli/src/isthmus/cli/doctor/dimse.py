"""A DIMSE origin, from its name to a C-MOVE of one instance; each step where the ones before it are well."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from isthmus.cli.doctor import arriving, moving, retrieving, words
from isthmus.cli.doctor.associations import why_none
from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.characters import character_sets
from isthmus.cli.doctor.findings import Side, Subject, Unclear, Wrong
from isthmus.cli.doctor.network import reach
from isthmus.cli.doctor.pacs import Pacs
from isthmus.cli.doctor.queries import Instance, associated, find_instance, silent
from isthmus.cli.doctor.surroundings import Surroundings
from isthmus.common.config import DimseOrigin, RetrieveMethod, Settings
from isthmus.common.dimse import FIND, GET, MOVE, VERIFICATION, Context
from isthmus.common.errors import OperationFailed, OriginError, OriginTimeout, SettingsError

_STORAGE: Final = tuple(
    Context(sop_class_uid, (ExplicitVRLittleEndian, ImplicitVRLittleEndian))
    for sop_class_uid in (CTImageStorage, SecondaryCaptureImageStorage)
)
_METHODS: Final = {RetrieveMethod.C_GET: GET, RetrieveMethod.C_MOVE: MOVE}
"""Contexts by which it is seen whether something is offered."""


@dataclass(frozen=True, slots=True)
class _Met:
    """What the first association showed."""

    accepted: frozenset[str]
    """Abstract syntaxes."""
    seconds: float = 0.0
    """Of the C-ECHO."""
    failure: OriginError | None = None
    """What became of it instead."""


async def examine_pacs(subject: Subject, origin: DimseOrigin, around: Surroundings) -> None:
    """Look at a PACS.

    Raises:
        Ended: something is wrong with it on which all else depends.
    """
    place = around.place(origin.name)
    where = f"{place}.host and {place}.port"
    await reach(subject, origin.host, origin.port, around.patience.connect, where=where)
    try:
        pacs = Pacs.of(origin, around)
    except SettingsError:
        subject.unclear("association", "a file of its TLS cannot be used: see settings")
        return
    met = await _meet(subject, pacs, stores=_is_stored_in(around.settings, origin.name))
    with subject.step("C-FIND") as note:
        if FIND.abstract_syntax not in met.accepted:
            raise _find_not_offered(pacs)
        found = await find_instance(pacs)
        note.detail = f"{len(found.studies)} studies or more" if found.studies else "nothing is found"
    with subject.step("character set", goes_on=True) as note:
        note.detail = character_sets(found.studies, pacs)
    for method in origin.retrieve:
        await _retrieve(subject, method, pacs, found.instance, met, around)


async def _meet(subject: Subject, pacs: Pacs, *, stores: bool) -> _Met:
    contexts = [VERIFICATION, FIND, *(_METHODS[method] for method in pacs.origin.retrieve)]
    if stores:
        contexts.extend(_STORAGE)
    with subject.step("association") as note:
        try:
            met = await asyncio.to_thread(partial(_associate_and_echo, pacs, tuple(contexts)))
        except OriginError as error:
            raise await why_none(error, pacs) from None
        note.detail = f"{pacs.peer.called_ae_title} accepts {pacs.us.ae_title}"
    # Who says nothing, or breaks off, would do so again.
    answered = met.failure is None or isinstance(met.failure, OperationFailed)
    with subject.step("C-ECHO", goes_on=answered) as note:
        if met.failure is not None or VERIFICATION.abstract_syntax not in met.accepted:
            raise _echo_fails(met, pacs)
        note.detail = f"answered after {met.seconds * 1000:.0f} ms"
    if stores:
        with subject.step("C-STORE offered", goes_on=True):
            if not met.accepted & {context.abstract_syntax for context in _STORAGE}:
                raise Wrong(
                    Cause.STORAGE_NOT_OFFERED,
                    Side.THEIRS,
                    f"the PACS at {pacs.address} takes neither CT images nor secondary captures from"
                    f" {pacs.us.ae_title}, and the settings have instances stored there",
                    *words.offered(pacs.us, "the storage SOP classes"),
                    *words.allowed(pacs.us, "Store"),
                )
    return met


def _associate_and_echo(pacs: Pacs, contexts: tuple[Context, ...]) -> _Met:
    with associated(pacs, contexts) as association:
        accepted = frozenset(context.abstract_syntax for context in association.accepted)
        try:
            return _Met(accepted, association.echo())
        except OriginError as error:
            return _Met(accepted, failure=error)


def _echo_fails(met: _Met, pacs: Pacs) -> Wrong:
    if isinstance(met.failure, OriginTimeout):
        return silent("C-ECHO", pacs)
    how = "does not offer C-ECHO" if met.failure is None else f"refuses C-ECHO: {met.failure.detail}"
    return Wrong(
        Cause.ECHO_REFUSED,
        Side.THEIRS,
        f"the PACS at {pacs.address} {how}",
        *words.allowed(pacs.us, "Echo"),
    )


def _find_not_offered(pacs: Pacs) -> Wrong:
    return Wrong(
        Cause.FIND_NOT_OFFERED,
        Side.THEIRS,
        f"the PACS at {pacs.address} does not offer C-FIND to {pacs.us.ae_title}",
        *words.offered(pacs.us, "Study Root Query/Retrieve - FIND"),
        *words.allowed(pacs.us, "Find"),
    )


async def _retrieve(
    subject: Subject,
    method: RetrieveMethod,
    pacs: Pacs,
    instance: Instance | None,
    met: _Met,
    around: Surroundings,
) -> None:
    with subject.step(method.upper(), goes_on=True) as note:
        if _METHODS[method].abstract_syntax not in met.accepted:
            kind = retrieving if method is RetrieveMethod.C_GET else moving
            raise kind.not_offered(pacs)
        if instance is None:
            raise Unclear("the PACS lists no instance that could be asked for")
        if method is RetrieveMethod.C_GET:
            note.detail = await retrieving.get_one(pacs, instance)
        else:
            note.detail = await arriving.move_and_wait(pacs, instance, around)


def _is_stored_in(settings: Settings, name: str) -> bool:
    forwarded = {to for rule in settings.arrivals.forward for to in rule.to}
    return name == settings.dicomweb.store or name in forwarded
