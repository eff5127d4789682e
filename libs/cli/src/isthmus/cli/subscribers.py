"""How one of those who hear of what arrives hears it again."""

from datetime import datetime
from pathlib import Path
from typing import Final

from isthmus.cli.connected import connected
from isthmus.cli.output import write_error, write_line
from isthmus.cli.recording import record_own
from isthmus.common.bus import subscribers
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditType

_CLIENT: Final = "isthmus rewind"


async def rewind(data: Path, name: str, since: datetime) -> bool:
    """Have a subscriber hear again of what came since a time; whether there is such a subscriber.

    Args:
        data: the data folder of a running system.
        name: of the subscriber.
        since: from when on.

    Raises:
        NotRunning: nothing runs with the data folder.
        BusUnavailable: NATS does not answer, or it cannot be recorded.
    """
    async with connected(data, _CLIENT) as system:
        # Events hold patient data: what is not recorded is not heard again.
        await record_own(
            system.bus,
            _CLIENT,
            AuditEvent.SECURITY_ALERT,
            ActionCode.EXECUTE,
            event_type=AuditType.USE_OF_RESTRICTED_FUNCTION,
            reason=f"The subscriber {name!r} is to hear again of what came since {since.isoformat()}",
        )
        rewound = await subscribers.rewind(system.bus, name, since)
    if rewound is None:
        write_error(f"there is no subscriber {name!r}")
        return False
    if rewound:
        write_line(f"{name} hears again of what came since {since.isoformat()}")
    else:
        write_line(f"{name} has not come so far yet: it stays where it is, and misses nothing")
    return True
