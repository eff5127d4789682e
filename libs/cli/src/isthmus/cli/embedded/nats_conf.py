"""The configuration of nats-server: where it listens and keeps its streams, and who may do what.

It holds no password: nats-server takes them from its environment.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.common.bus.accounts import OPERATOR, SERVICES, Permissions, inbox_prefix, of_service

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


def standing_users() -> Sequence[NatsUser]:
    """Give the users that there always are: the operator, and one for each service."""
    services = (NatsUser(name, _variable(name), of_service(name)) for name in SERVICES)
    return (NatsUser(OPERATOR, _variable(OPERATOR)), *services)


def configuration(*, listen: str, store: str, users: Iterable[NatsUser]) -> str:
    """Write the configuration.

    Args:
        listen: `host:port`.
        store: the folder of the streams as it is written there: in quotes, or `$` and a variable.
        users: who may log in.
    """
    lines = [
        f"listen: {json.dumps(listen)}",
        'server_name: "isthmus"',
        # fsync of each message before it is acknowledged: what we answered for survives a power cut too.
        f"jetstream {{ store_dir: {store}, sync_interval: always }}",
        "authorization {",
        "  users: [",
        *(line for user in users for line in _user(user)),
        "  ]",
        "}",
    ]
    return "\n".join(lines) + "\n"


def quoted(password: str) -> str:
    """Give the value of an environment variable in which nats-server reads a password, whatever is in it."""
    return json.dumps(password, ensure_ascii=False)


def _user(user: NatsUser) -> Iterable[str]:
    begin = f"    {{ user: {json.dumps(user.name)}, password: ${user.variable}"
    if user.permissions is None:
        yield f"{begin} }}"
        return
    yield f"{begin}, permissions: {{"
    yield from _allow("publish", user.permissions.publish)
    yield from _allow("subscribe", (f"{inbox_prefix(user.name)}.>", *user.permissions.subscribe))
    if user.permissions.answers:
        yield f"      {_ANSWERS}"
    yield "    } }"


def _allow(what: str, subjects: Sequence[str]) -> Iterable[str]:
    yield f"      {what}: {{ allow: ["
    yield from (f"        {json.dumps(subject)}" for subject in subjects)
    yield "      ] }"


def _variable(name: str) -> str:
    # Not ISTHMUS_PASSWORD: in one environment with a service that would be a setting that there is not.
    return f"NATS_{name.upper().replace('-', '_')}_PASSWORD"


def shipped() -> str:
    """Give the configuration for containers, `compose/nats/nats.conf`."""
    head = (
        "# Written by `make docs`: the configuration of nats-server for containers.\n"
        "# Its environment holds the password of each user, and the folder of its streams, each in double\n"
        "# quotes; compose/README.md says how.\n"
    )
    return head + configuration(listen="0.0.0.0:4222", store="$NATS_STORE", users=standing_users())
