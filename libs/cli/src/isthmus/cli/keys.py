"""`isthmus key`: API keys for machines, made, listed and revoked."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from isthmus.cli.connected import connected
from isthmus.cli.output import new_table, write_error, write_json, write_line, write_shown, written_time
from isthmus.cli.recording import record_own
from isthmus.common.access.key_store import KeyRing, KeyState
from isthmus.common.auth.api_keys import NAME
from isthmus.common.bus import Bus
from isthmus.common.messages.audit import ActionCode, AuditEvent, AuditType

_CLIENT: Final = "isthmus key"
_DAY_SECONDS: Final = 86_400.0


def is_name(name: str) -> bool:
    """Tell whether a key may have this name."""
    return NAME.fullmatch(name) is not None


async def create(data: Path, name: str, days: int | None) -> bool:
    """Make a key and show it, alone, on standard output; whether there was none of this name.

    Args:
        data: the data folder of a running system.
        name: its name, which rules call it by.
        days: after which it expires; None: never.
    """
    expires = None if days is None else time.time() + days * _DAY_SECONDS
    async with connected(data, _CLIENT) as system:
        key = await KeyRing(system.bus).create(name, expires)
        if key is not None:  # what is not recorded is not shown, and so opens nothing
            await _record(system.bus, "isthmus key create", f"The API key {name!r} is made")
    if key is None:
        write_error(f"there is a key {name!r} already; end it by: isthmus key revoke {name}")
        return False
    write_line(key)
    until = "" if expires is None else f", and it ends at {written_time(expires)}"
    write_error(f"this is the key {name!r}: nobody can show it again{until}")
    return True


async def list_keys(data: Path, *, as_json: bool) -> None:
    """Show what keys there are, and when each was used last; never the keys."""
    async with connected(data, _CLIENT) as system:
        found = [_described(state) for state in await KeyRing(system.bus).list()]
    if as_json:
        write_json(found)
        return
    if found:
        table = new_table("Name", "Created", "Expires", "Last used")
        for key in found:
            table.add_row(
                str(key["name"]),
                str(key["created"]),
                str(key["expires"] or "never"),
                str(key["last_used"] or "never"),
            )
        write_shown(table)
    write_line(f"{len(found)} keys")


async def revoke(data: Path, name: str) -> bool:
    """End a key: within seconds nobody takes it any more; whether there was one."""
    async with connected(data, _CLIENT) as system:
        was_there = await KeyRing(system.bus).revoke(name)
        if was_there:
            await _record(system.bus, "isthmus key revoke", f"The API key {name!r} is revoked")
    if not was_there:
        write_error(f"there is no key {name!r}")
        return False
    write_line(f"the key {name!r} is revoked")
    return True


async def _record(bus: Bus, action: str, reason: str) -> None:
    event, code = AuditEvent.SECURITY_ALERT, ActionCode.EXECUTE
    changed = AuditType.USER_SECURITY_ATTRIBUTES_CHANGED
    await record_own(bus, action, event, code, event_type=changed, reason=reason)


def _described(state: KeyState) -> Mapping[str, object]:
    record = state.record
    return {
        "name": record.name,
        "created": written_time(record.created),
        "expires": written_time(record.expires),
        "expired": record.expires is not None and record.expires <= time.time(),
        "last_used": written_time(state.last_used),
    }
