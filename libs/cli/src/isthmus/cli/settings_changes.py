"""What changed in the settings since the last start, recorded: who could do what may be another one now."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson
from pydantic import BaseModel

from isthmus.cli.private_file import write_private
from isthmus.cli.recording import record_own
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditType

FILE: Final = "settings.json"
"""In the data folder: a digest of each table of the settings in force."""
_ACTION: Final = "isthmus up"


def digests(settings: Settings) -> Mapping[str, str]:
    """Give a digest of each table; secrets are left out, so that it tells nothing of them."""
    return {name: _digest(value) for name, value in _without_secrets(settings).items()}


async def record_start(bus: Bus, settings: Settings, data: Path) -> None:
    """Record that the system is started, and which tables of its settings are not what they were.

    Args:
        bus: the connection.
        settings: those in force.
        data: the data folder, which remembers them.

    Raises:
        BusUnavailable: NATS does not take it; then it is found out again at the next start.
        OSError: the data folder does not take it.
    """
    event, code = AuditEvent.APPLICATION_ACTIVITY, ActionCode.EXECUTE
    await record_own(bus, _ACTION, event, code, event_type=AuditType.APPLICATION_START)
    now, before = digests(settings), _read(data / FILE)
    changed = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
    if not changed:
        return
    if before:
        await record_own(
            bus,
            _ACTION,
            AuditEvent.SECURITY_ALERT,
            code,
            event_type=AuditType.SECURITY_CONFIGURATION,
            reason=f"The settings have changed: {', '.join(changed)}",
        )
    write_private(data / FILE, orjson.dumps(now, option=orjson.OPT_INDENT_2).decode() + "\n")


def _read(path: Path) -> Mapping[str, str]:
    """Give what was written at an earlier start; nothing where there was none, or it cannot be read."""
    with suppress(OSError, ValueError):
        written = orjson.loads(path.read_bytes())
        if isinstance(written, dict):
            return {str(name): str(value) for name, value in written.items()}
    return {}


def _digest(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _without_secrets(model: BaseModel) -> dict[str, object]:
    fields = type(model).model_fields
    return {name: _plain(getattr(model, name)) for name, field in fields.items() if field.repr}


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return _without_secrets(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset | set):
        return sorted((_plain(one) for one in value), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | float | str | None) else str(value)
