"""`isthmus dead`: what was given up, and another chance for it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from isthmus.cli.connected import connected
from isthmus.cli.output import new_table, write_error, write_json, write_line, write_shown, written_time
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus, dead
from isthmus.common.bus.dead import Buried
from isthmus.common.bus.forwards import ForwardedStudies
from isthmus.common.errors import ContractError
from isthmus.common.inbox.state import States
from isthmus.common.messages import Forwarding
from isthmus.common.messages.cloud_events import from_json

_NAME: Final = "isthmus dead"
_COLUMNS: Final = ("number", "what", "to", "first", "last", "attempts", "reason")


async def list_letters(data: Path, to: str | None, *, as_json: bool) -> None:
    """Show the dead letters, the oldest first; only those to a destination or webhook, where it is named."""
    async with connected(data, _NAME) as system:
        found = [_summary(buried) async for buried in dead.letters(system.bus, to)]
    if as_json:
        write_json(found)
        return
    if found:
        _print(found)
    write_line(f"{len(found)} dead letters")


async def show(data: Path, number: int, *, as_json: bool) -> bool:
    """Show all of a dead letter but the patient's data; whether there is one."""
    async with connected(data, _NAME) as system:
        buried = await dead.find(system.bus, number)
    if buried is None:
        write_error(_unknown(number))
        return False
    described = {**_summary(buried), **_content(buried)}
    if as_json:
        write_json(described)
        return True
    for name, value in described.items():
        if not isinstance(value, list):
            write_line(f"{name}: {value}")
            continue
        write_line(f"{name}:")
        for one in value:
            write_line(f"  {' '.join(str(part) for part in one.values())}")
    return True


async def replay(
    data: Path, numbers: Sequence[int], to: str | None, *, everything: bool, as_json: bool
) -> bool:
    """Put letters back into the queues they came from; whether that was possible with all of them."""
    async with connected(data, _NAME) as system:
        chosen = _all(system.bus, to) if everything else _named(system.bus, numbers)
        return await _each(_replay, "replayed", system.bus, chosen, as_json=as_json)


async def drop(
    data: Path, numbers: Sequence[int], to: str | None, *, everything: bool, as_json: bool
) -> bool:
    """Throw letters away; whether that was possible with all of them."""
    async with connected(data, _NAME) as system:
        chosen = _all(system.bus, to) if everything else _named(system.bus, numbers)
        return await _each(partial(_drop, system.blobs), "dropped", system.bus, chosen, as_json=as_json)


async def _replay(bus: Bus, buried: Buried) -> str | None:
    """Replay a letter, unless nothing would come of it; then it stays, and why is given."""
    letter = buried.letter
    if not await dead.is_wanted(bus, letter):
        kind = "origin" if letter.what == "forward" else "webhook"
        return f"the settings have no {kind} {letter.name!r}"
    try:
        if letter.what == "forward":
            lost = buried.forwarding
            if not lost.is_spooled and await _is_deleted(bus, lost):
                return f"its study was deleted from {lost.origin!r}"
        await dead.replay(bus, buried)
    except ContractError as error:
        return error.detail
    return None


async def _is_deleted(bus: Bus, lost: Forwarding) -> bool:
    return (await States(bus).get(lost.origin, lost.study)).state.contents is None


async def _drop(blobs: BlobStore, bus: Bus, buried: Buried) -> str | None:
    if buried.letter.what == "forward":
        with suppress(ContractError):  # nobody knows what it was, and nobody ever will
            lost = buried.forwarding
            if lost.is_spooled:
                await blobs.delete_all(ref.key for ref in lost.blobs)
            else:
                # The study lacks something at its destination, so that retention keeps it here.
                await ForwardedStudies(bus).change(
                    lost.origin, lost.study, lost.destination, lambda went: replace(went, is_lacking=True)
                )
    await dead.remove(bus, buried)
    return None


async def _all(bus: Bus, to: str | None) -> AsyncGenerator[tuple[int, Buried | None], None]:
    async for buried in dead.letters(bus, to):
        yield buried.number, buried


async def _named(bus: Bus, numbers: Sequence[int]) -> AsyncGenerator[tuple[int, Buried | None], None]:
    for number in dict.fromkeys(numbers):
        yield number, await dead.find(bus, number)


async def _each(
    act: Callable[[Bus, Buried], Awaitable[str | None]],
    verb: str,
    bus: Bus,
    chosen: AsyncGenerator[tuple[int, Buried | None], None],
    *,
    as_json: bool,
) -> bool:
    """Do something with each letter, and say with which, and why not with others; whether with all."""
    done: list[int] = []
    unknown: list[int] = []
    left: dict[int, str] = {}
    async with aclosing(chosen):
        async for number, buried in chosen:
            if buried is None:
                unknown.append(number)
            elif why := await act(bus, buried):
                left[number] = why
            else:
                done.append(number)
    if as_json:
        stays = [{"number": number, "reason": why} for number, why in left.items()]
        write_json({verb: done, "unknown": unknown, "left": stays})
    else:
        for number in unknown:
            write_error(_unknown(number))
        for number, why in left.items():
            write_error(f"dead letter {number} stays: {why}")
        write_line(f"{len(done)} dead letters {verb}")
    return not unknown and not left


def _unknown(number: int) -> str:
    return f"there is no dead letter {number}"


def _summary(buried: Buried) -> Mapping[str, object]:
    letter = buried.letter
    return {
        "number": buried.number,
        "what": letter.what,
        "to": letter.name,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "first": written_time(letter.first),
        "last": written_time(letter.last),
    }


def _content(buried: Buried) -> Mapping[str, object]:
    """Describe what a letter holds; an event's attributes are the patient's, and stay out."""
    try:
        if buried.letter.what == "forward":
            lost = buried.forwarding
            refusals = [
                {
                    "instance": refusal.sop_instance_uid,
                    "status": f"{refusal.status:04X}",
                    "kind": refusal.kind or "",
                }
                for refusal in lost.refusals
            ]
            return {"origin": lost.origin, "study": lost.study, "instances": refusals}
        event = from_json(buried.letter.payload)
        return {"origin": event.data.origin, "study": event.data.study, "type": event.type, "event": event.id}
    except ContractError as error:
        return {"unreadable": error.detail}


def _print(found: Sequence[Mapping[str, object]]) -> None:
    table = new_table(*(column.capitalize() for column in _COLUMNS))
    for one in found:
        table.add_row(*(str(one[column]) for column in _COLUMNS))
    write_shown(table)
