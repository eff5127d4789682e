"""Who hears of what arrives, as the settings name them: the durable consumer of `EVENTS` that each has.

We make these consumers, and subscribers only take what they give: who may make one can have nats-server
publish wherever he likes.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy
from nats.js.errors import NotFoundError

from isthmus.common.bus import accounts, streams, subjects
from isthmus.common.bus.client import Bus, bus_errors
from isthmus.common.bus.consumer import add_once
from isthmus.common.bus.forwards import CONSUMERS as FORWARDS_CONSUMERS
from isthmus.common.bus.webhooks import CONSUMERS as WEBHOOKS_CONSUMERS
from isthmus.common.config import Settings
from isthmus.common.config.access import Right, Rule
from isthmus.common.errors import SettingsError

ACK_WAIT: Final = 60.0
"""Seconds after which an event comes again whose subscriber says nothing."""
_OURS: Final = ("commit-", "forwarding", streams.ARRIVALS_CONSUMER, FORWARDS_CONSUMERS, WEBHOOKS_CONSUMERS)
"""What the names of our own consumers begin with."""
_MARK: Final = {"isthmus": "subscriber"}
"""How the consumers of subscribers are told from those that somebody else has made."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a subscriber hears."""

    name: str
    """Of the subscriber, and of its consumer."""
    filters: tuple[str, ...]
    """The subjects of its events."""


def subscriptions(settings: Settings) -> Sequence[Subscription]:
    """Give what each subscriber of the settings may hear by the rules, and wants to.

    Raises:
        SettingsError: a name is ours, or the rules cannot be kept over NATS.
    """
    found = []
    for number, one in enumerate(settings.access.subscribers):
        place = f"access.subscribers[{number}]"
        if one.name in (accounts.OPERATOR, *accounts.SERVICES) or one.name.startswith(_OURS):
            raise SettingsError(f"{place}.name: {one.name!r} is a name of our own on the bus")
        origins = _origins_of(one.name, place, settings)
        wanted = (subjects.events(kind, origin) for kind in sorted(one.types) for origin in origins)
        found.append(Subscription(one.name, tuple(wanted)))
    return found


async def keep(bus: Bus, wanted: Sequence[Subscription]) -> None:
    """Have a consumer for each subscriber, and none for who is a subscriber no more.

    One whose events are others now goes on from its place: what it had not acknowledged, and may have, comes
    again.

    Raises:
        BusUnavailable: NATS does not do it.
    """
    with bus_errors("subscribers"):
        there = await _consumers(bus)
        for name in {name for name, info in there.items() if _is_marked(info)} - {one.name for one in wanted}:
            await _delete(bus, name)
        for one in wanted:
            info = there.get(one.name)
            if info is None:
                await add_once(bus, streams.EVENTS, _consumer(one.name, one.filters))
            elif not _is_right(info, one):
                await _make_again(bus, _consumer(one.name, one.filters), _floor(info) + 1)


async def rewind(bus: Bus, name: str, since: datetime) -> bool | None:
    """Have a subscriber hear again of all that came since a time.

    Returns:
        Whether it had come so far; else it stays where it is. None if there is no such subscriber.

    Raises:
        BusUnavailable: NATS does not do it.
    """
    with bus_errors("subscribers"):
        info = (await _consumers(bus)).get(name)
        if info is None or not _is_marked(info):
            return None
        first = await _time_of(bus, _floor(info) + 1)
        if (first or datetime.now(UTC)) < since:  # it would never hear of what came between, or comes now
            return False
        by_time = DeliverPolicy.BY_START_TIME
        consumer = _consumer(name, _filters(info)).evolve(deliver_policy=by_time, opt_start_time=since)
        await _delete(bus, name)
        await add_once(bus, streams.EVENTS, consumer)
    return True


def _origins_of(name: str, place: str, settings: Settings) -> Sequence[str | None]:
    """Give the inboxes whose events somebody may have; None stands for all."""
    if settings.access.is_open:
        return [None]
    rules = _rules_of(name, settings.access.rules)
    if not rules:
        raise SettingsError(f"{place}: no rule says what it may have: subscriber = {name!r}, of events")
    origins: frozenset[str] = frozenset()
    for rule in rules:
        if rule.origins is None:
            return [None]
        origins |= rule.origins
    return sorted(origins)


def _rules_of(name: str, rules: Sequence[Rule]) -> Sequence[Rule]:
    found = []
    for number, rule in enumerate(rules):
        if rule.subscriber != name:
            continue
        others = (rule.user, rule.key, rule.certificate, rule.ae_title, rule.network)
        if any(others) or rule.claims:
            raise SettingsError(f"access.rules[{number}]: of a subscriber nothing else can be known")
        if Right.EVENTS in rule.operations:
            found.append(rule)
    return found


def _consumer(name: str, filters: Sequence[str]) -> ConsumerConfig:
    return ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subjects=[*filters],
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT,
        metadata=_MARK,
    )


async def _consumers(bus: Bus) -> Mapping[str, ConsumerInfo]:
    found: list[ConsumerInfo] = []
    while page := await bus.jetstream.consumers_info(streams.EVENTS, len(found)):
        found += page
    return {info.name: info for info in found}


def _is_marked(info: ConsumerInfo) -> bool:
    return _MARK.items() <= (info.config.metadata or {}).items()


def _is_right(info: ConsumerInfo, wanted: Subscription) -> bool:
    """Whether a consumer is as we make it: an earlier version let subscribers make theirs."""
    return _is_marked(info) and {*_filters(info)} == {*wanted.filters}


def _filters(info: ConsumerInfo) -> Sequence[str]:
    return info.config.filter_subjects or [info.config.filter_subject or ""]


def _floor(info: ConsumerInfo) -> int:
    """Up to which message of the stream all is acknowledged."""
    return info.ack_floor.stream_seq if info.ack_floor is not None else 0


async def _make_again(bus: Bus, consumer: ConsumerConfig, start: int) -> None:
    # Not changed where it is: what waits for an acknowledgement would come again whatever the filters are.
    await _delete(bus, consumer.name or "")
    by_sequence = DeliverPolicy.BY_START_SEQUENCE
    await add_once(bus, streams.EVENTS, consumer.evolve(deliver_policy=by_sequence, opt_start_seq=start))


async def _delete(bus: Bus, name: str) -> None:
    with suppress(NotFoundError):  # another replica was faster
        await bus.jetstream.delete_consumer(streams.EVENTS, name)


async def _time_of(bus: Bus, sequence: int) -> datetime | None:
    """Give when the first message came that is not before this place; None if there is none."""
    try:
        message = await bus.jetstream.get_msg(streams.EVENTS, sequence, ">", next=True)
    except NotFoundError:
        return None
    return message.time
