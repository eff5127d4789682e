"""What must be so before anything listens beyond this machine."""

from collections.abc import Iterator, Mapping
from typing import Final

from isthmus.common.config.kinds import ListenAddress

WELL_KNOWN: Final = frozenset(
    {
        "",
        "admin",
        "changeme",
        "isthmus",
        "key",
        "minio",
        "minio123",
        "minioadmin",
        "nats",
        "pass",
        "password",
        "s3cr3t",
        "secret",
        "test",
    }
)
"""Passwords and keys that anybody would try: the defaults of servers, and of their documentation."""


def check_listening(addresses: Mapping[str, ListenAddress], *, is_open: bool) -> None:
    """See that nothing listens beyond loopback where everybody may do everything.

    Args:
        addresses: where something listens, by the settings that name them.
        is_open: whether there are no rules.

    Raises:
        ValueError: something would; names the two ways out.
    """
    for name, address in addresses.items():
        if is_open and not address.is_loopback:
            raise ValueError(
                f"{name}: {address} is no loopback address, and without rules everybody may do everything"
                " there: say in [[access.rules]] who may do what, or listen on 127.0.0.1"
            )


def well_known(secrets: Mapping[str, str], addresses: Mapping[str, ListenAddress]) -> Iterator[str]:
    """Complain about secrets that anybody would try, where something listens beyond loopback.

    Args:
        secrets: by the settings that name them.
        addresses: where something listens, likewise.

    Yields:
        A complaint about each, which names the two ways out.
    """
    beyond = [f"{name} = {address}" for name, address in addresses.items() if not address.is_loopback]
    for name, secret in secrets.items():
        if beyond and secret.strip().lower() in WELL_KNOWN:
            what = "is empty" if not secret.strip() else "is one that everybody knows"
            yield f"{name} {what}, and {beyond[0]} is beyond loopback: set another, or listen on 127.0.0.1"
