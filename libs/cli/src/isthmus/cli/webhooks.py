"""`isthmus webhooks`: how each webhook is doing."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from nats.js.errors import NotFoundError

from isthmus.cli.connected import connected
from isthmus.cli.output import new_table, write_error, write_json, write_line, write_shown, written_time
from isthmus.common.bus import Bus, streams, subjects
from isthmus.common.bus.client import bus_errors
from isthmus.common.bus.webhooks import WebhookState, WebhookStates, consumer_name

_NAME: Final = "isthmus webhooks"
_COLUMNS: Final = (
    *("Name", "Delivered", "Waiting", "Failed", "FailingSince", "LastStatus", "NextTry", "DeadLetters"),
    *("Stopped", "URL"),
)


@dataclass(frozen=True)
class _Webhook:
    """What is shown of one."""

    state: WebhookState
    waiting: int
    """Events that it has not taken yet, and that are not given up."""
    dead_letters: int

    def described(self) -> Mapping[str, object]:
        """Describe it for scripts."""
        state = self.state
        next_try = state.next_try if state.next_try is not None and state.next_try > time.time() else None
        return {
            "name": state.name,
            "url": state.url,
            "types": list(state.types),
            "origins": None if state.origins is None else list(state.origins),
            "delivered": state.delivered,
            "failed": state.failed,
            "waiting": self.waiting,
            "last_status": state.last_status,
            "last_attempt": written_time(state.last_attempt),
            "last_success": written_time(state.last_success),
            "failing_since": written_time(state.failing_since),
            "next_try": None if state.stopped is not None else written_time(next_try),
            "stopped": written_time(state.stopped),
            "dead_letters": self.dead_letters,
        }


async def show(data: Path, *, as_json: bool) -> None:
    """Show all webhooks that a running service knows, and what waits for each."""
    async with connected(data, _NAME) as system:
        states = WebhookStates(system.bus)
        found = [await _webhook(system.bus, await states.get(name)) for name in await states.names()]
    described = [one.described() for one in found]
    if as_json:
        write_json(described)
    elif described:
        _print(described)
    else:
        write_line("no webhooks")


async def resume(data: Path, name: str, *, as_json: bool) -> bool:
    """Send events again to a webhook that answered 410 Gone; whether there is one of this name."""
    async with connected(data, _NAME) as system:
        states = WebhookStates(system.bus)
        if name not in await states.names():
            write_error(f"there is no webhook {name}")
            return False
        state = await states.change(name, lambda it: replace(it, stopped=None, failing_since=None))
        found = await _webhook(system.bus, state)
    if as_json:
        write_json(found.described())
    else:
        write_line(f"{name} goes on within seconds; {found.waiting} events wait for it")
    return True


async def _webhook(bus: Bus, state: WebhookState) -> _Webhook:
    waiting = [await _waiting(bus, stream, state.name) for stream in (streams.EVENTS, streams.FORWARDS)]
    subject = subjects.dead("webhook", state.name)
    with bus_errors(streams.DEAD):
        info = await bus.jetstream.stream_info(streams.DEAD, subject)
    return _Webhook(state, sum(waiting), (info.state.subjects or {}).get(subject, 0))


async def _waiting(bus: Bus, stream: str, name: str) -> int:
    with bus_errors(stream):
        try:
            info = await bus.jetstream.consumer_info(stream, consumer_name(name))
        except NotFoundError:
            return 0
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


def _print(described: Sequence[Mapping[str, object]]) -> None:
    table = new_table(*_COLUMNS)
    for one in described:
        values = (one["name"], one["delivered"], one["waiting"], one["failed"], one["failing_since"])
        more = (one["last_status"], one["next_try"], one["dead_letters"], one["stopped"], one["url"])
        table.add_row(*("-" if value is None else str(value) for value in (*values, *more)))
    write_shown(table)
