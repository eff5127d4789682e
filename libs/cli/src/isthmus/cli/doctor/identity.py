"""Identity providers: whether their keys, by which tokens are judged, can be read."""

from urllib.parse import urlsplit

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.clocks import Clocks
from isthmus.cli.doctor.findings import Side, Subject, Wrong
from isthmus.cli.doctor.network import reach
from isthmus.cli.doctor.surroundings import Patience
from isthmus.cli.doctor.tls import Place, handshake
from isthmus.common.auth.provider_keys import ProviderKeys
from isthmus.common.config.access import Oidc
from isthmus.common.config.files import verifying
from isthmus.common.errors import IdentityProviderAway


async def examine_provider(
    subject: Subject, provider: Oidc, place: str, patience: Patience, clocks: Clocks
) -> None:
    """Look at an identity provider.

    Raises:
        Ended: its keys cannot be read.
    """
    parts = urlsplit(provider.issuer)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    await reach(subject, host, port, patience.connect, where=f"{place}.issuer")
    try:
        context = verifying(provider.ca_file)
    except ValueError:
        subject.unclear("TLS", "a file that its settings name cannot be used: see settings")
        return
    if parts.scheme == "https":
        with subject.step("TLS"):
            there = Place(
                host,
                port,
                name=host,
                ca_file=f"{place}.ca_file",
                certificate_file=None,
                shows_certificate=False,
                without=f"{place}.issuer: write the address at which it speaks TLS",
            )
            await handshake(there, context, patience.connect)
    await clocks.ask(subject.name, provider.discovery_url, patience.connect, context)
    with subject.step("keys"):
        await _read_keys(provider, place)


async def _read_keys(provider: Oidc, place: str) -> None:
    keys = ProviderKeys(provider)
    try:
        for algorithm in provider.algorithms:
            if await keys.fitting(None, algorithm):
                return
        problem = f"it has no key for any of {', '.join(provider.algorithms)}"
    except IdentityProviderAway as error:
        problem = error.detail
    finally:
        await keys.close()
    raise Wrong(
        Cause.KEYS_UNREADABLE,
        Side.OURS,
        f"the keys of {provider.issuer} cannot be read: {problem}",
        f"{place}.issuer: write the issuer to the letter as {provider.discovery_url} names it; Keycloak:"
        " https://HOST/realms/REALM",
    )
