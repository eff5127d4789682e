"""Available Transfer Syntax UID (0008,3002) of the instances that are held here (PS3.18 10.6.3.3.3)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.json_model import DicomJson
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.search_attributes import uid_of
from isthmus.common.errors import StoreUnavailable
from isthmus.common.messages import Retrieve
from isthmus.common.retrieval import Catalogue
from isthmus.common.telemetry import get_logger
from isthmus.qido.plan import Scope

HELD_SECONDS: Final = 0.1
"""How long an answer that is there already waits for it."""
_AVAILABLE: Final = tag_of("AvailableTransferSyntaxUID")

log = get_logger(__name__)


class HeldSyntaxes:
    """Looks up in which transfer syntaxes instances are held, beside a search for them."""

    def __init__(self, catalogue: Catalogue, scope: Scope) -> None:
        """Begin, if there is one study to look up."""
        study = scope.uids.get(Level.STUDY)
        self.looking: asyncio.Task[Mapping[str, str]] | None = None
        """The task, to be ended by whoever made this."""
        if scope.level is Level.IMAGE and study is not None:
            self.looking = asyncio.create_task(_look_up(catalogue, scope.origin, study))

    async def add_to(self, matches: Sequence[DicomJson]) -> list[DicomJson]:
        """Add to each match what is known by now, unless its origin tells it."""
        if self.looking is None or not matches:
            return list(matches)
        await asyncio.wait({self.looking}, timeout=HELD_SECONDS)
        return (
            [_with(match, self.looking.result()) for match in matches]
            if self.looking.done()
            else list(matches)
        )


def _with(match: DicomJson, held: Mapping[str, str]) -> DicomJson:
    told = match.get(_AVAILABLE)
    syntax = held.get(uid_of(match, Level.IMAGE))
    if syntax is None or (told is not None and told.get("Value")):
        return match
    return {**match, _AVAILABLE: {"vr": "UI", "Value": [syntax]}}


async def _look_up(catalogue: Catalogue, origin: str, study: str) -> Mapping[str, str]:
    try:
        manifest = await catalogue.load(origin, study)
    except StoreUnavailable as error:
        log.info("catalogue not read", origin=origin, detail=error.detail)
        return {}
    if manifest is None:
        return {}
    return {
        blob.sop_instance_uid: blob.transfer_syntax_uid for blob in manifest.blobs(Retrieve(origin, study))
    }
