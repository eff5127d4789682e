"""The gateway of a running system: whether it answers, and who stands behind it."""

import asyncio
from typing import Final

from isthmus.cli.client import Gateway, GatewayAway, Refused
from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.findings import Side, Subject, Wrong
from isthmus.cli.doctor.surroundings import Surroundings

_ADVICE: Final = (
    "see what isthmus up, or the log of the container, says of gateway and qido; start them anew, which the"
    " gateway needs for another certificate too"
)


async def examine_gateway(subject: Subject, around: Surroundings) -> None:
    """Have the gateway list the origins.

    Raises:
        Ended: it does not answer.
    """
    with subject.step("origins") as note:
        try:
            async with asyncio.timeout(around.patience.answer), Gateway.of(around.data) as gateway:
                names = await gateway.origins()
        except (GatewayAway, Refused) as error:
            raise Wrong(
                Cause.GATEWAY_AWAY,
                Side.OURS,
                f"the gateway does not answer, though the system runs: {error.detail}",
                _ADVICE,
            ) from None
        except TimeoutError:
            raise Wrong(
                Cause.GATEWAY_AWAY,
                Side.OURS,
                f"the gateway takes the connection, and does not answer within {around.patience.answer:g} s",
                _ADVICE,
            ) from None
        note.detail = f"it answers, with {len(names)} origins"
