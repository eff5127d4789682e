"""Which origins somebody may look into for a study; of the others nothing is asked, and nothing told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.common.access.studies import Studies
from isthmus.common.auth import Permit
from isthmus.common.config import Origin
from isthmus.common.federation.asking import Silence, ask_all
from isthmus.common.federation.late import Late

HURRIED_SECONDS: Final = 0.5
"""For an origin that was late: each frame of a viewer would wait for it."""


@dataclass(frozen=True, slots=True)
class Visible:
    """What of all origins somebody may know, as far as a study goes."""

    origins: tuple[str, ...]
    """Those where he may see the study, if they have it, in the order of the settings."""
    silent: tuple[Silence, ...] = ()
    """Those that he may know of, and that did not tell whether he may see it."""


async def visible(
    studies: Studies, permits: Mapping[str, Permit], origins: Sequence[Origin], study: str, late: Late
) -> Visible:
    """Ask the origins, where a permit is not for all of their studies, whether it is for this one.

    Args:
        studies: what is known of studies.
        permits: by the names of the origins.
        origins: in the order of the settings.
        study: Study Instance UID.
        late: who was late, and is not waited for as long again.

    Raises:
        RequestError: they cannot be asked so.
    """
    known = [origin for origin in origins if origin.name in permits]
    asked = [origin for origin in known if not permits[origin.name].is_whole]
    were_late = late.among([origin.name for origin in asked])

    async def ask(origin: Origin) -> bool:
        return await studies.sees(permits[origin.name], origin.name, study)

    answers = await ask_all([_hurried(one) if one.name in were_late else one for one in asked], ask)
    late.note(answers)
    seen = {origin.name for origin, is_seen in answers.heard if is_seen}
    return Visible(
        tuple(one.name for one in known if permits[one.name].is_whole or one.name in seen), answers.silent
    )


def _hurried(origin: Origin) -> Origin:
    return origin.model_copy(update={"search_seconds": min(HURRIED_SECONDS, origin.search_seconds)})
