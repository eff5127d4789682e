"""The configuration of nats-server: where it listens and keeps its streams, and who may do what.

It holds no password: nats-server takes them from its environment.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from isthmus.common.bus.accounts import (
    ACCOUNT,
    OPERATOR,
    SERVICES,
    Permissions,
    asked_by_subscriber,
    inbox_prefix,
    of_service,
    subscriber,
)

_ESCAPED: Final = re.compile(r'["\\\x00-\x1f]')
"""What cannot stand in quotes as it is. (Of the escapes of JSON nats-server knows a few.)"""
# Enough for the answers to a search of a million matches, by one who reads them slowly. For so long the
# server remembers where each request wants its answers.
_ANSWERS: Final = 'allow_responses: { max: 100000, expires: "1h" }'


@dataclass(frozen=True, slots=True)
class NatsUser:
    """A user of the bus.

    Attributes:
        name: by which it logs in.
        variable: the environment variable of nats-server that holds its password.
        permissions: what it may do; None for everything.
    """

    name: str
    variable: str
    permissions: Permissions | None = None


@dataclass(frozen=True, slots=True)
class SubscriberUser(NatsUser):
    """A subscriber of events, in an account of its own: from ours it has what it may ask for, and no more."""

    @classmethod
    def of(cls, name: str, variable: str) -> Self:
        """Give the user of a subscriber."""
        return cls(name, variable, subscriber(name))

    @property
    def account(self) -> str:
        """The account in which it is alone."""
        return f"subscriber-{self.name}"

    def exports(self) -> Iterable[str]:
        """Write what our account lets this one ask for."""
        account = json.dumps(self.account)
        for subject in asked_by_subscriber(self.name).values():
            # To one request for messages there are many answers; it lasts for two minutes after each of them.
            kind = "singleton" if ".CONSUMER.INFO." in subject else "stream"
            yield f"      {{ service: {json.dumps(subject)}, response_type: {kind}, accounts: [{account}] }}"

    def lines(self) -> Iterable[str]:
        """Write its account."""
        yield f"  {json.dumps(self.account)} {{"
        yield "    users: ["
        yield from _user(self)
        yield "    ]"
        yield "    imports: ["
        for there, here in asked_by_subscriber(self.name).items():
            service = f"{{ account: {ACCOUNT}, subject: {json.dumps(here)} }}"
            yield f"      {{ service: {service}, to: {json.dumps(there)} }}"
        yield "    ]"
        yield "  }"


def standing_users() -> Sequence[NatsUser]:
    """Give the users that there always are: the operator, and one for each service."""
    services = (NatsUser(name, _variable(name), of_service(name)) for name in SERVICES)
    return (NatsUser(OPERATOR, _variable(OPERATOR)), *services)


def configuration(*, listen: str, store: str, users: Collection[NatsUser], most: str | None = None) -> str:
    """Write the configuration.

    Args:
        listen: `host:port`.
        store: the folder of the streams as it is written there: in quotes, or `$` and a variable.
        users: who may log in.
        most: what the streams may take on the disk, as it is written there; None for as much as there is.
    """
    others = [user for user in users if isinstance(user, SubscriberUser)]
    ours = [user for user in users if user not in others]
    bounded = f", max_file_store: {most}" if most else ""
    lines = [
        f"listen: {json.dumps(listen)}",
        'server_name: "isthmus"',
        # fsync of each message before it is acknowledged: what we answered for survives a power cut too.
        # By itself the server would take three quarters of what is free when it starts, less each time.
        f"jetstream {{ store_dir: {store}, sync_interval: always{bounded} }}",
        "accounts {",
        f"  {ACCOUNT} {{",
        f"    jetstream: {f'{{ max_file: {most} }}' if most else 'enabled'}",
        "    users: [",
        *(line for user in ours for line in _user(user)),
        "    ]",
        "    exports: [",
        *(line for user in others for line in user.exports()),
        "    ]",
        "  }",
        *(line for user in others for line in user.lines()),
        "}",
    ]
    return "\n".join(lines) + "\n"


def passwords(of_users: Mapping[str, str]) -> str:
    """Give the file that `shipped` includes: the password of each user, by its name."""
    return "".join(f"{_variable(name)}: {quoted(password)}\n" for name, password in of_users.items())


def quoted(password: str) -> str:
    """Give the value of an environment variable in which nats-server reads a password, whatever is in it."""
    escaped = _ESCAPED.sub(lambda found: f"\\x{ord(found[0]):02x}", password)
    return f'"{escaped}"'


def _user(user: NatsUser) -> Iterable[str]:
    begin = f"      {{ user: {json.dumps(user.name)}, password: ${user.variable}"
    if user.permissions is None:
        yield f"{begin} }}"
        return
    yield f"{begin}, permissions: {{"
    yield from _allow("publish", user.permissions.publish)
    yield from _allow("subscribe", (f"{inbox_prefix(user.name)}.>", *user.permissions.subscribe))
    if user.permissions.answers:
        yield f"        {_ANSWERS}"
    yield "      } }"


def _allow(what: str, subjects: Sequence[str]) -> Iterable[str]:
    yield f"        {what}: {{ allow: ["
    yield from (f"          {json.dumps(subject)}" for subject in subjects)
    yield "        ] }"


def _variable(name: str) -> str:
    # Not ISTHMUS_PASSWORD: in one environment with a service that would be a setting that there is not.
    return f"NATS_{name.upper().replace('-', '_')}_PASSWORD"


EXAMPLE: Final = SubscriberUser.of("ai", "AI_PASSWORD")
"""The subscriber that `shipped` shows, commented out."""


def shipped() -> str:
    """Give the configuration for containers, `compose/nats/nats.conf`."""
    head = (
        "# Written by `make docs`: the configuration of nats-server for containers.\n"
        "# `isthmus secrets` makes the file with the password of each user. NATS_STORE in the\n"
        "# environment is the folder of its streams, in double quotes, and NATS_MAX_FILE what they may\n"
        "# take. Take the marks #: away for a subscriber of events called ai, and put AI_PASSWORD there,\n"
        "# quoted too: compose/README.md.\n"
        "include ./secrets/passwords.conf\n"
        "# For its health alone, from within the container.\n"
        'http: "127.0.0.1:8222"\n'
    )
    text = configuration(
        listen="0.0.0.0:4222",
        store="$NATS_STORE",
        users=[*standing_users(), EXAMPLE],
        most="$NATS_MAX_FILE",
    )
    for shown in (EXAMPLE.exports(), EXAMPLE.lines()):
        lines = [*shown]
        text = text.replace("\n".join(lines), "\n".join(f"#:{line}" for line in lines))
    return head + text
