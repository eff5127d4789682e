"""Who may do what: the configured callers, and the origins, known by their AE titles."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from isthmus.common.config import DimseOrigin, Origin
from isthmus.common.config.arriving import Caller, CallerOperation


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


class Callers:
    """What the settings say of callers; without any, everyone may do everything."""

    def __init__(self, origins: Iterable[DimseOrigin], callers: Iterable[Caller] = ()) -> None:
        self._callers = tuple(callers)
        self._names: dict[str, tuple[str, ...]] = {}
        for origin in origins:
            self._names[origin.ae_title] = (*self._names.get(origin.ae_title, ()), origin.name)

    def origins_of(self, calling_ae_title: str) -> tuple[str, ...]:
        """Give the names of the origins with this AE title; blanks at its ends mean nothing (PS3.5 6.2).

        One PACS may be configured as several origins.
        """
        return self._names.get(calling_ae_title.strip(), ())

    def may_associate(self, calling: Calling, origin: Origin | None) -> bool:
        """Tell whether this caller has any business with an origin, or, for None, with ourselves."""
        if not self._callers:
            return True
        if origin is None and self.origins_of(calling.calling_ae_title):
            return True  # what a C-MOVE asked for comes so
        return any(self._rules(calling, origin))

    def may(self, calling: Calling, operation: CallerOperation, origin: Origin | None) -> bool:
        """Tell whether this caller may ask for an operation."""
        if not self._callers:
            return True
        if origin is None and self.origins_of(calling.calling_ae_title):
            return True
        return any(operation in caller.operations for caller in self._rules(calling, origin))

    def addresses_of(self, calling: Calling, origin: Origin | None) -> Iterator[tuple[str, int]]:
        """Give where this caller itself takes associations, host and port, as far as it is configured."""
        for caller in self._rules(calling, origin):
            if caller.host is not None and caller.port is not None:
                yield caller.host, caller.port

    def _rules(self, calling: Calling, origin: Origin | None) -> Iterator[Caller]:
        """Give those of the settings that are about this caller and this origin."""
        for caller in self._callers:
            if caller.ae_title not in (None, calling.calling_ae_title.strip()):
                continue
            if caller.network is not None and not _is_in(calling.address, caller.network):
                continue
            if origin is None or _reaches(caller, origin):
                yield caller


def _reaches(caller: Caller, origin: Origin) -> bool:
    if caller.inboxes is None and caller.origins is None:
        return True
    return origin.name in (caller.inboxes or frozenset()) | (caller.origins or frozenset())


def _is_in(address: str, network: str) -> bool:
    known = ip_address(address.partition("%")[0])  # a link-local IPv6 address names its interface
    if isinstance(known, IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return known in ip_network(network, strict=False)
