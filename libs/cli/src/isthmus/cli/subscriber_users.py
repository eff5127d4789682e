"""The users of NATS for those who hear of what arrives."""

from collections.abc import Mapping

from isthmus.cli.embedded.nats_conf import NatsUser, SubscriberUser
from isthmus.common.bus import subscribers
from isthmus.common.config import Settings
from isthmus.common.errors import SettingsError


def subscribers_of(settings: Settings) -> Mapping[NatsUser, str]:
    """Give a user for each subscriber, in an account of its own, and its password.

    Raises:
        SettingsError: a name is ours, a password cannot be read, or the rules cannot be kept over NATS.
    """
    subscribers.subscriptions(settings)
    users: dict[NatsUser, str] = {}
    for number, one in enumerate(settings.access.subscribers):
        try:
            password = one.secret
        except ValueError as error:
            place = f"access.subscribers[{number}].password_file"
            raise SettingsError(f"{place}: {one.password_file}: {error}") from None
        users[SubscriberUser.of(one.name, f"SUBSCRIBER_{number}_PASSWORD")] = password
    return users
