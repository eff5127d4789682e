"""How many instances an origin says that a study has."""

import asyncio
from typing import Final

from isthmus.common.bus import Bus, end_tasks, search
from isthmus.common.dicom.attributes import tag_of
from isthmus.common.dicom.levels import Level
from isthmus.common.dicom.matching import MatchingKey
from isthmus.common.dicom.summaries import NUMBER_OF_INSTANCES
from isthmus.common.errors import IsthmusError
from isthmus.common.messages import Query
from isthmus.common.telemetry import get_logger

ASK_SECONDS: Final = 4.0
"""For the whole question: nothing waits for longer for an origin that is away."""
_STUDY: Final = tag_of("StudyInstanceUID")

log = get_logger(__name__)


async def expected_count(bus: Bus, origin: str, study: str) -> int | None:
    """Ask an origin for Number of Study Related Instances (PS3.4 C.6.2.1.2).

    None where it does not know the study or the number, is away, or does not say so within `ASK_SECONDS`.
    """
    # No `asyncio.timeout`: on Python 3.11 nats-py may drop its cancellation (see `end_tasks`).
    asking = asyncio.create_task(_ask(bus, origin, study))
    try:
        answered, _ = await asyncio.wait([asking], timeout=ASK_SECONDS)
    finally:
        await end_tasks([asking])
    if not answered:
        log.warning("no expected number in time", origin=origin)
        return None
    return asking.result()


async def _ask(bus: Bus, origin: str, study: str) -> int | None:
    query = Query(
        origin, Level.STUDY, (MatchingKey((_STUDY,), (study,)),), ((_STUDY,), (NUMBER_OF_INSTANCES,))
    )
    try:
        async with search(bus, query) as matches:
            async for match in matches:
                for value in match.get(NUMBER_OF_INSTANCES, {"vr": "IS"}).get("Value", ()):
                    if isinstance(value, int | str) and str(value).isdecimal():
                        return int(value)
    except (IsthmusError, TimeoutError) as error:
        log.warning("no expected number", origin=origin, error=type(error).__name__)
    return None
