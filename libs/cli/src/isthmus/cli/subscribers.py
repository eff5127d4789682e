"""The users of NATS for those who hear of what arrives, as the settings name them."""

from collections.abc import Mapping, Sequence

from isthmus.cli.embedded.nats_conf import NatsUser, standing_users
from isthmus.common.bus import accounts, streams
from isthmus.common.bus.forwards import CONSUMERS as FORWARDS_CONSUMERS
from isthmus.common.bus.webhooks import CONSUMERS as WEBHOOKS_CONSUMERS
from isthmus.common.config import Settings
from isthmus.common.config.access import Right, Rule
from isthmus.common.errors import SettingsError

_OURS = ("commit-", "forwarding", streams.ARRIVALS_CONSUMER, FORWARDS_CONSUMERS, WEBHOOKS_CONSUMERS)
"""What the names of our own consumers begin with."""


def subscribers_of(settings: Settings) -> Mapping[NatsUser, str]:
    """Give a user for each subscriber, with what the rules let it have, and its password.

    Raises:
        SettingsError: a name is ours, a password cannot be read, or the rules cannot be kept over NATS.
    """
    ours = {user.name for user in standing_users()}
    users: dict[NatsUser, str] = {}
    for number, one in enumerate(settings.access.subscribers):
        place = f"access.subscribers[{number}]"
        if one.name in ours or one.name.startswith(_OURS):
            raise SettingsError(f"{place}.name: {one.name!r} is a name of our own on the bus")
        try:
            password = one.secret
        except ValueError as error:
            raise SettingsError(f"{place}.password_file: {one.password_file}: {error}") from None
        permissions = accounts.subscriber(one.name, _origins_of(one.name, place, settings))
        users[NatsUser(one.name, f"SUBSCRIBER_{number}_PASSWORD", permissions)] = password
    return users


def _origins_of(name: str, place: str, settings: Settings) -> frozenset[str] | None:
    """Give the inboxes whose events somebody may have; None for all."""
    if settings.access.is_open:
        return None
    rules = _rules_of(name, settings.access.rules)
    if not rules:
        raise SettingsError(f"{place}: no rule says what it may have: subscriber = {name!r}, of events")
    origins: frozenset[str] = frozenset()
    for rule in rules:
        if rule.origins is None:
            return None
        origins |= rule.origins
    return origins


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
