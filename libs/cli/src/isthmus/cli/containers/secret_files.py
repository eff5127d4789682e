"""Secrets as files, in a folder for each program that reads them: which there are, and who has them."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from isthmus.cli.private_file import write_private
from isthmus.common.blobs.rights import SERVICES
from isthmus.common.config.files import secret_in
from isthmus.common.errors import SettingsError

OPERATOR: Final = "operator"
"""The folder of who runs the system."""
GATEWAY: Final = "gateway"
_BYTES: Final = 32
_HTTP_FACES: Final = ("qido", "wado", "stow")
_FACES: Final = (*_HTTP_FACES, "scp")


class Kind(StrEnum):
    """A secret, by the name of its files."""

    NATS_PASSWORD = "nats_password"  # noqa: S105  (the name of a file)
    S3_SECRET_KEY = "s3_secret_key"  # noqa: S105
    SIGNING_KEY = "signing_key"
    LINK_KEY = "link_key"
    OPERATOR_KEY = "operator_key"
    METRICS_KEY = "metrics_key"
    GATEWAY_SECRET = "gateway_secret"  # noqa: S105
    ADMIN_PASSWORD = "admin_password"  # noqa: S105
    """Of Grafana."""
    CERTIFICATE = "certificate"
    """The gateway's, and its key."""


OF_EACH: Final = (Kind.NATS_PASSWORD, Kind.S3_SECRET_KEY)
"""Of these each service, and the operator, has one of its own."""
SHARED: Final[Mapping[Kind, Sequence[str]]] = {
    Kind.SIGNING_KEY: (*SERVICES, OPERATOR),
    Kind.LINK_KEY: (*_FACES, OPERATOR),
    Kind.OPERATOR_KEY: (*_HTTP_FACES, OPERATOR),
    Kind.METRICS_KEY: (*SERVICES, "prometheus"),
    Kind.GATEWAY_SECRET: (*_HTTP_FACES, GATEWAY),
    Kind.ADMIN_PASSWORD: ("grafana",),
}
"""Of these there is one, in the folders of those that show it, or know by it who does."""


def keep_shared(folder: Path, kind: Kind, *, renew: bool = False) -> str:
    """Give a secret that several have; who lacks it gets it, and where nobody has it, it is made.

    Args:
        folder: of the folders.
        kind: which.
        renew: make another one.

    Raises:
        SettingsError: two have different ones, or a file cannot be read or written; quotes nothing of them.
    """
    paths = [folder / reader / kind for reader in SHARED[kind]]
    known = {} if renew else {path: _read(path) for path in paths if path.exists()}
    if len(set(known.values())) > 1:
        raise SettingsError(f"{' and '.join(map(str, known))} differ: --renew {kind} makes another")
    secret = next(iter(known.values()), None) or _new()
    for path in paths:
        if path not in known:
            write(path, secret)
    return secret


def keep_own(folder: Path, kind: Kind, *, renew: bool = False) -> Mapping[str, str]:
    """Give the secret that each service and the operator has alone; it is made for who has none.

    Args:
        folder: of the folders.
        kind: which.
        renew: make another one for each.

    Raises:
        SettingsError: a file cannot be read or written; quotes nothing of it.
    """
    return {reader: _keep(folder / reader / kind, renew=renew) for reader in (*SERVICES, OPERATOR)}


def write(path: Path, text: str) -> None:
    """Write a file for its reader alone (0600), all of it or nothing.

    Raises:
        SettingsError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, text)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def write_if_changed(files: Iterable[tuple[Path, str]]) -> None:
    """Write files that hold something else, or are not there: who reads them sees no change for nothing.

    Raises:
        SettingsError: one cannot be read or written.
    """
    for path, text in files:
        if not _holds(path, text):
            write(path, text)


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def _keep(path: Path, *, renew: bool) -> str:
    if path.exists() and not renew:
        return _read(path)
    secret = _new()
    write(path, secret)
    return secret


def _read(path: Path) -> str:
    try:
        return secret_in(path)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def _new() -> str:
    return secrets.token_urlsafe(_BYTES)
