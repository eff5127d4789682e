"""The gateway's certificate: the one that is given, or one by an authority that signs nothing else."""

from ipaddress import ip_address
from pathlib import Path
from typing import Final

from isthmus.cli.containers.secret_files import GATEWAY, write_if_changed
from isthmus.cli.embedded.base import LOOPBACK
from isthmus.cli.embedded.own_authority import is_for, own_certificate
from isthmus.common.config.certificates import server_context
from isthmus.common.config.tls import ListenerTls
from isthmus.common.errors import SettingsError

CERTIFICATE: Final = "gateway.pem"
KEY: Final = "gateway.key"
AUTHORITY: Final = "authority.pem"
"""By which clients verify the one that is made here."""
_OF_PARTS: Final = (AUTHORITY, "own.pem", "own.key")


def keep_certificate(folder: Path, host: str, given: Path | None, *, renew: bool = False) -> str:
    """See that the gateway has a certificate and its key, and give the certificate (PEM).

    One that was made here for another name is replaced; one that was given once stays.

    Args:
        folder: where they are wanted.
        host: the name or IP address by which clients reach the gateway.
        given: a folder in which they may lie; what lies there counts, and is copied.
        renew: make another one, where none is given.

    Raises:
        SettingsError: those that are given are none, or a file cannot be read or written.
    """
    given_files = None if given is None else _given(given)
    if given_files is not None:
        certificate, key = given_files
        (folder / AUTHORITY).unlink(missing_ok=True)
        write_if_changed([(folder / KEY, key), (folder / CERTIFICATE, certificate)])
    elif renew or not _is_there(folder, host):
        names = dict.fromkeys([host, "localhost", LOOPBACK, GATEWAY])
        authority, certificate, key = own_certificate("Isthmus gateway", [*names])
        files = ((KEY, key), (AUTHORITY, authority), (CERTIFICATE, certificate))
        write_if_changed((folder / name, text) for name, text in files)
    try:
        return (folder / CERTIFICATE).read_text()
    except OSError as error:
        raise SettingsError(f"{folder / CERTIFICATE}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{folder / CERTIFICATE}: is no certificate (PEM)") from None


def keep_parts_of_s3(folder: Path) -> None:
    """See that the parts of SeaweedFS have what they know each other by.

    Raises:
        SettingsError: a file cannot be written.
    """
    if not all((folder / name).exists() for name in _OF_PARTS):
        made = zip(_OF_PARTS, own_certificate("s3"), strict=True)
        write_if_changed((folder / name, text) for name, text in made)


def check_host(host: str) -> str:
    """See that something is a name of a machine or an IP address, and give it.

    Raises:
        ValueError: it is neither.
    """
    try:
        ip_address(host)
    except ValueError:
        if not host.isascii() or not all(part.replace("-", "").isalnum() for part in host.split(".")):
            raise ValueError(f"{host!r} is neither a name of a machine nor an IP address") from None
    return host


def _is_there(folder: Path, host: str) -> bool:
    """Tell whether there is one that was given once, or one of ours for this name, whole and with its key."""
    certificate = folder / CERTIFICATE
    if not (folder / AUTHORITY).exists():
        return certificate.exists()
    try:
        _check(certificate, folder / KEY)
        return is_for(certificate.read_text(), host)
    except ValueError:
        return False


def _given(folder: Path) -> tuple[str, str] | None:
    certificate, key = folder / CERTIFICATE, folder / KEY
    if not certificate.exists() and not key.exists():
        return None
    try:
        _check(certificate, key)
        return certificate.read_text(), key.read_text()
    except ValueError as error:
        raise SettingsError(str(error)) from None
    except OSError as error:
        raise SettingsError(f"{error.filename}: {error.strerror}") from None


def _check(certificate: Path, key: Path) -> None:
    """See that a gateway can use them.

    Raises:
        ValueError: it cannot; says which file and why.
    """
    server_context(ListenerTls(listen=f"{LOOPBACK}:0", certificate_file=certificate, key_file=key))
