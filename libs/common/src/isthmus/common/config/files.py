"""What the files hold that settings name: secrets, and the certificates that others' are verified by."""

import os
import ssl
from pathlib import Path
from typing import Final

import certifi

MOST_BYTES: Final = 64 * 1024
"""Of a secret; nothing behind them is looked at."""


def secret_in(path: Path, *, in_header: bool = False) -> str:
    """Give what a file holds, without blanks and line ends around it.

    Args:
        path: the file.
        in_header: whether it goes into a header of HTTP as it is, so that not every character can.

    Raises:
        ValueError: it cannot be read, or holds nothing that can be sent; quotes nothing of it.
    """
    try:
        text = path.read_bytes()[:MOST_BYTES].decode().strip()
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise ValueError("is no text") from None
    if not text:
        raise ValueError("is empty")
    if in_header and not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("holds what cannot stand in a header")
    return text


def certificates_file(ca_file: Path | None = None) -> Path:
    """Give the file of certificates that a server's is verified by: of the settings, else the usual ones."""
    return ca_file or Path(os.environ.get("SSL_CERT_FILE") or certifi.where())


def verifying(ca_file: Path | None = None) -> ssl.SSLContext:
    """Make the context for TLS with a server whose certificate is verified.

    Args:
        ca_file: the setting of this name; None where the usual certificates count.

    Raises:
        ValueError: the file cannot be read, or holds none; says who named it, which it is, and why.
    """
    path = certificates_file(ca_file)
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = "holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        place = "environment: SSL_CERT_FILE" if ca_file is None else "ca_file:"
        raise ValueError(f"{place} {path}: {reason}") from None


def identify(context: ssl.SSLContext, certificate_file: Path, key_file: Path) -> None:
    """Have a context show a certificate of ours.

    Args:
        context: that of a client or a server.
        certificate_file: the setting of this name.
        key_file: likewise.

    Raises:
        ValueError: a file cannot be read, or they hold no pair; names both, and why.
    """
    try:
        # Without a password it would ask for one on the terminal.
        context.load_cert_chain(certificate_file, key_file, password="")
    except OSError as error:
        reason = "holds no pair that fits" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"certificate_file, key_file: {certificate_file}, {key_file}: {reason}") from None


def state_of(path: Path) -> tuple[int, int, int] | None:
    """Give what tells one state of a file from another, as long as we run; None where there is none."""
    try:
        status = os.stat(path)  # it is small and local: that takes a few microseconds
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
