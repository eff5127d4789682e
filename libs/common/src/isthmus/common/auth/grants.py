"""Decisions on the bus: a face says on whose behalf it asks, and a worker sees that a face of ours said so.

A header of each message holds who asks, which service asks for him, for what, at which origin, when, and a
digest of the message, under an HMAC by the signing key that all services share. Who has nothing but a
service's password for NATS can make no such header, and one that he has seen is good for that message alone.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from isthmus.common.auth.principal import Kind, Principal
from isthmus.common.config.access import Right
from isthmus.common.errors import ContractError, Forbidden
from isthmus.common.messages import decode, encode

HEADER: Final = "Isthmus-Grant"
TOLERANCE_SECONDS: Final = 60.0
"""By how much the clocks of services may differ, and how long a message may be on its way."""

_acting: ContextVar[tuple[Principal | None, Right | None]] = ContextVar("acting", default=(None, None))


@contextmanager
def acting_as(principal: Principal | None, right: Right | None = None) -> Iterator[None]:
    """Do what the block does on somebody's behalf; tasks that begin in it do too.

    Args:
        principal: who; None: the service itself, whoever it was before.
        right: what he was let in for: an origin is searched for a retrieve, too.
    """
    token = _acting.set((principal, right))
    try:
        yield
    finally:
        _acting.reset(token)


def current_principal() -> Principal | None:
    """Give on whose behalf this runs; None on nobody's: a service does what it does by itself."""
    return _acting.get()[0]


def current_right() -> Right | None:
    """Give what he was let in for; None where that was nothing in particular."""
    return _acting.get()[1]


@dataclass(frozen=True, slots=True)
class Granted:
    """What a face has decided."""

    principal: Principal
    service: str
    right: Right
    origin: str
    at: float
    """Seconds since 1970."""
    digest: bytes
    """SHA-256 of the message."""
    reply: str = ""
    """The only subject that may be answered to; empty: any, for what gives nothing away or is no request."""


class Grants:
    """Writes and reads the header."""

    def __init__(self, key: str | None, service: str) -> None:
        """Prepare.

        Args:
            key: the signing key; None where there are no rules: nothing is written, and nothing is asked for.
            service: which of the services this is.
        """
        self._key = None if key is None else hashlib.sha256(b"isthmus grants\0" + key.encode()).digest()
        self._seal = None if key is None else hashlib.sha256(b"isthmus seals\0" + key.encode()).digest()
        self._service = service

    def header(self, right: Right, origin: str, payload: bytes, reply: str = "") -> dict[str, str]:
        """Give the header for a message that asks for something on behalf of `current_principal()`.

        Args:
            right: what it takes.
            origin: at which origin.
            payload: the message.
            reply: where it is to be answered, if nowhere else.
        """
        if self._key is None:
            return {}
        principal = current_principal() or Principal(Kind.SERVICE, self._service)
        digest = hashlib.sha256(payload).digest()
        granted = encode(Granted(principal, self._service, right, origin, time.time(), digest, reply))
        return {HEADER: base64.b64encode(self._code(granted) + granted).decode()}

    def verify(
        self,
        header: str | None,
        origin: str,
        payload: bytes,
        sent_at: float | None = None,
        reply: str = "",
    ) -> Granted | None:
        """Give what a face has decided; None where there is no signing key, so that nobody asks.

        Args:
            header: that of the message.
            origin: where it asks for something.
            payload: the message.
            sent_at: when it was sent (seconds since 1970), of one that may have waited; without it now.
            reply: where it is to be answered.

        Raises:
            Forbidden: there is no header, or it is none of ours, or of another message, or too old.
        """
        if self._key is None:
            return None
        granted = self._read(self._key, header)
        now = time.time() if sent_at is None else sent_at
        asked = (granted.origin, granted.digest)
        if asked != (origin, hashlib.sha256(payload).digest()) or abs(now - granted.at) > TOLERANCE_SECONDS:
            raise Forbidden("The grant of the message is another one's")
        if granted.reply not in ("", reply):
            raise Forbidden("The grant of the message is for an answer to somebody else")
        return granted

    def sealed(self, name: str, record: bytes) -> bytes:
        """Give a record as it is kept on the bus: with a code in front that only services of ours can make.

        Args:
            name: what the record is kept under: under another one it does not hold.
            record: it.
        """
        return record if self._seal is None else self._record_code(self._seal, name, record) + record

    def unsealed(self, name: str, kept: bytes) -> bytes:
        """Give a record without its code; where there is no signing key it has none.

        Raises:
            Forbidden: no service of ours has written it, as far as its key tells, or not under this name.
        """
        if self._seal is None:
            return kept
        code, record = kept[: hashlib.sha256().digest_size], kept[hashlib.sha256().digest_size :]
        if not hmac.compare_digest(code, self._record_code(self._seal, name, record)):
            raise Forbidden("The record is not signed by a service of ours, or with another signing key")
        return record

    @staticmethod
    def _record_code(key: bytes, name: str, record: bytes) -> bytes:
        return hmac.digest(key, name.encode() + b"\0" + record, "sha256")

    def _read(self, key: bytes, header: str | None) -> Granted:
        try:
            content = base64.b64decode(header or "", validate=True)
        except (binascii.Error, ValueError):
            content = b""
        code, granted = content[: hashlib.sha256().digest_size], content[hashlib.sha256().digest_size :]
        if not hmac.compare_digest(code, hmac.digest(key, granted, "sha256")):
            raise Forbidden("The message has no grant of ours")
        try:
            return decode(granted, Granted)
        except ContractError:
            raise Forbidden("The grant of the message is of another version") from None

    def _code(self, granted: bytes) -> bytes:
        assert self._key is not None  # noqa: S101 - who calls has seen to that
        return hmac.digest(self._key, granted, "sha256")
