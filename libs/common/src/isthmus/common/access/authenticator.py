"""Who somebody is, by what he shows: a token, an API key, a link, a certificate; over HTTP and over DIMSE."""

import hashlib
import hmac
from dataclasses import replace
from typing import Final

from starlette.requests import HTTPConnection

from isthmus.common.access.credentials import Credential, credential_of, peer_of
from isthmus.common.access.key_store import KeyStore
from isthmus.common.auth import Kind, Principal, api_keys, links
from isthmus.common.auth.links import Links
from isthmus.common.auth.tokens import Tokens
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.errors import SettingsError, Unauthenticated

_UNKNOWN: Final = "Nobody is known by this credential"


class Authenticator:
    """Knows all credentials that the settings take; of what it has seen lately it asks nobody."""

    def __init__(self, settings: Settings, bus: Bus) -> None:
        """Prepare; nobody is asked yet.

        Args:
            settings: the settings.
            bus: where the API keys are.

        Raises:
            SettingsError: a file that they name cannot be used.
        """
        access = settings.access
        self._is_open = access.is_open
        self._gateway_secret = settings.gateway.shown_secret
        try:
            link_key = access.link_secret
        except ValueError as error:
            raise SettingsError(f"access.link_key_file: {access.link_key_file}: {error}") from None
        self._links = None if link_key is None else Links(link_key)
        try:
            own = {Kind.OPERATOR: access.operator_secret}
        except ValueError as error:
            raise SettingsError(f"access.operator_key_file: {access.operator_key_file}: {error}") from None
        try:
            own[Kind.METRICS] = access.metrics_secret
        except ValueError as error:
            raise SettingsError(f"access.metrics_key_file: {access.metrics_key_file}: {error}") from None
        self._own = {kind: _digest(key) for kind, key in own.items() if key is not None}
        self._tokens = Tokens(access.oidc, access.rules)
        self._keys = KeyStore(bus)

    async def close(self) -> None:
        """Close the connections to identity providers."""
        await self._tokens.close()
        await self._keys.close()

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Tell who sends a request.

        By the header Authorization, by the parameter `link`, by a client certificate, in this order; where
        there is none of them he is nobody but his address, which the request's scope has from now on. A
        certificate counts beside the others too. Where there are no rules a credential that we do not know
        counts for nothing, instead of being refused.

        Raises:
            InvalidParameter: there are two credentials.
            Unauthenticated: the credential does not hold.
            IdentityProviderAway: nobody can tell whether it holds.
            BusUnavailable: likewise.
        """
        peer = peer_of(connection, self._gateway_secret)
        connection.scope["client"] = (peer.address, 0)  # for whoever asks that of the request itself
        credential = self._credential(connection)
        if credential is not None:
            principal = await self._known(credential, peer.address)
            return replace(principal, certificate=peer.certificate) if peer.certificate else principal
        if peer.certificate:
            return Principal(
                Kind.CERTIFICATE, peer.certificate, address=peer.address, certificate=peer.certificate
            )
        return Principal(Kind.ANYONE, address=peer.address)

    async def authenticate_password(self, name: str, passcode: str, address: str) -> Principal:
        """Tell who shows a user name and a passcode (DICOM user identity, PS3.7 D.3.3.7): an API key's.

        Args:
            name: the name of the key.
            passcode: the key.
            address: the IP address that he comes from.

        Raises:
            Unauthenticated: there is no such key.
            BusUnavailable: nobody can tell.
        """
        return await self._key(Credential(passcode, name), address)

    async def authenticate_token(self, token: str, address: str) -> Principal:
        """Tell who shows a token (DICOM user identity, PS3.7 D.3.3.7: JSON Web Token): a provider's, or ours.

        Args:
            token: a JWT of an identity provider, or an API key or a link.
            address: the IP address that he comes from.

        Raises:
            Unauthenticated: it does not hold.
            IdentityProviderAway: nobody can tell.
            BusUnavailable: likewise.
        """
        return await self._known(Credential(token), address)

    async def _known(self, credential: Credential, address: str) -> Principal:
        if credential.name is not None:
            try:
                return await self._key(credential, address)
            except Unauthenticated as error:  # the code is for who came as a bearer
                raise Unauthenticated(error.detail) from None
        own = self._own_kind(credential)
        if own is not None:
            return Principal(own, own.value, address=address)
        if credential.text.startswith(api_keys.PREFIX):
            return await self._key(credential, address)
        if credential.text.startswith(links.PREFIX):
            if self._links is None:
                raise Unauthenticated(_UNKNOWN, error="invalid_token")
            return self._links.principal(credential.text, address)
        return await self._tokens.principal(credential.text, address)

    async def _key(self, credential: Credential, address: str) -> Principal:
        record = await self._keys.require(credential.text, credential.name)
        return Principal(Kind.KEY, record.name, address=address, until=record.expires)

    def _credential(self, connection: HTTPConnection) -> Credential | None:
        """Give the credential that counts: without rules a link, which opens less than none."""
        try:
            credential = credential_of(connection)
        except Unauthenticated:
            if not self._is_open:
                raise
            return None
        if credential is None or not self._is_open:
            return credential
        counts = credential.text.startswith(links.PREFIX) or self._own_kind(credential) is not None
        return credential if counts else None

    def _own_kind(self, credential: Credential) -> Kind | None:
        """Tell whose key it is of those that the settings hold: the operator's, or Prometheus'."""
        shown = _digest(credential.text)
        for kind, digest in self._own.items():
            if hmac.compare_digest(shown, digest):
                return kind
        return None


def _digest(text: str) -> bytes:
    """Give something of a length that tells nothing."""
    return hashlib.sha256(text.encode(errors="replace")).digest()
