"""Who calls, what the rules allow him, and which origins are known by which AE titles."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from isthmus.common.auth import Kind, Permit, Policy, Principal, Right
from isthmus.common.config import DimseOrigin, Origin
from isthmus.common.config.arriving import Caller
from isthmus.common.dimse.tls import ClientTls
from isthmus.scp.everything import AllOrigins

DIMSE_RIGHTS: Final = (Right.SEARCH, Right.RETRIEVE, Right.STORE)
"""What can be done over DIMSE."""


@dataclass(frozen=True, slots=True)
class Calling:
    """Who calls, and whom."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    """An IP address."""
    certificate: str | None = None
    """The subject of its TLS certificate (RFC 4514), which was verified; None: it showed none."""
    certificate_names: tuple[str, ...] = ()
    """The alternative names in that (RFC 5280 4.2.1.6): `DNS:...`, `IP:...`, `URI:...` and `email:...`."""


class Address(NamedTuple):
    """Where a caller itself takes associations."""

    host: str
    port: int
    tls: ClientTls | None = None
    """TLS with it; None: in clear."""


def _address(caller: Caller) -> Address:
    tls = None
    if caller.tls is not None:
        tls = ClientTls(caller.tls, caller.host, f"scp.callers: {caller.ae_title}: tls")
    return Address(caller.host, caller.port, tls)


def principal_of(calling: Calling) -> Principal:
    """Give who calls, as far as that is known without user identity."""
    ae_title = calling.calling_ae_title.strip()
    if calling.certificate:
        kind, name = Kind.CERTIFICATE, calling.certificate
    else:
        kind, name = Kind.AE_TITLE, ae_title
    return Principal(
        kind, name, address=calling.address, ae_title=ae_title, certificate=calling.certificate or ""
    )


class Callers:
    """What the rules allow those who call; without any, everyone may do everything."""

    def __init__(
        self,
        policy: Policy,
        origins: Iterable[Origin],
        callers: Iterable[Caller] = (),
        destination_of_all: Origin | None = None,
    ) -> None:
        """Prepare.

        Args:
            policy: the rules.
            origins: all.
            callers: where the results of storage commitment go.
            destination_of_all: the origin that takes what is stored at all of them as one.

        Raises:
            SettingsError: a certificate for TLS with a caller cannot be used.
        """
        self._policy = policy
        self._addresses = tuple((caller.ae_title, _address(caller)) for caller in callers)
        self.destination_of_all = destination_of_all
        """As it was given."""
        self._pacs: dict[str, tuple[DimseOrigin, ...]] = {}
        for origin in origins:
            if isinstance(origin, DimseOrigin):
                self._pacs[origin.ae_title] = (*self._pacs.get(origin.ae_title, ()), origin)

    @property
    def is_open(self) -> bool:
        """Whether there are no rules."""
        return self._policy.is_open

    def origins_of(self, calling_ae_title: str) -> tuple[str, ...]:
        """Give the names of the origins with this AE title; blanks at its ends mean nothing (PS3.5 6.2).

        One PACS may be configured as several origins.
        """
        return tuple(origin.name for origin in self.pacs_of(calling_ae_title))

    def pacs_of(self, calling_ae_title: str) -> tuple[DimseOrigin, ...]:
        """Give the origins with this AE title."""
        return self._pacs.get(calling_ae_title.strip(), ())

    def permits(self, principal: Principal, right: Right) -> Mapping[str, Permit]:
        """Give the origins at which somebody may do something, and with which of their studies."""
        return self._policy.permits(principal, right)

    def may(self, principal: Principal, right: Right, origin: Origin | None) -> bool:
        """Tell whether somebody may do something: at an origin, at one of all, or, for None, with ourselves.

        With ourselves nobody may: what a C-MOVE of ours asked for comes there, and `Sender` knows that.
        """
        if self._policy.is_open:
            return True
        if origin is None or _has_ended(principal):
            return False
        if not isinstance(origin, AllOrigins):
            return origin.name in self._policy.permits(principal, right)
        permits = self._policy.permits(principal, right)
        if right is Right.STORE and self.destination_of_all is not None:
            return self.destination_of_all.name in permits
        return bool(permits)

    def may_associate(self, principal: Principal, origin: Origin | None) -> bool:
        """Tell whether somebody has any business with an origin, or, for None, with any."""
        if self._policy.is_open:
            return True
        if origin is None:
            return any(self._policy.permits(principal, right) for right in DIMSE_RIGHTS)
        return any(self.may(principal, right, origin) for right in DIMSE_RIGHTS)

    def may_become(self, principal: Principal) -> bool:
        """Tell whether user identity could give somebody any business with any origin."""
        return self._policy.may_become(principal, DIMSE_RIGHTS)

    def addresses_of(self, calling_ae_title: str) -> Iterator[Address]:
        """Give where a caller itself takes associations, as far as it is configured."""
        for ae_title, address in self._addresses:
            if ae_title == calling_ae_title.strip():
                yield address


def _has_ended(principal: Principal) -> bool:
    """Tell whether that by which somebody was known is over: an association may last longer."""
    return principal.until is not None and principal.until <= time.time()
