"""An identity provider on loopback: it signs tokens and tells its keys, as wrongly as a test wants."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import orjson
from joserfc.jwk import ECKey, KeyParameters, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from isthmus.common.auth.tokens import Tokens
from isthmus.common.config.access import Oidc, Rule
from tests.planted import plant

AUDIENCE: Final = "https://pacs.example.org"
Key = RSAKey | ECKey | OKPKey | OctKey


@cache
def key_of(kid: str, kind: str = "EC", size: str | int = "P-256") -> Key:
    """One of the keys of this run: to make one of RSA takes long."""
    about: KeyParameters = {"kid": kid, "use": "sig"}
    if kind == "RSA":
        return RSAKey.generate_key(int(size), about)
    if kind == "OKP":
        return OKPKey.generate_key("Ed25519", about)
    return ECKey.generate_key(str(size), about)


@dataclass
class Idp:
    """What it answers, and what it was asked."""

    port: int = 0
    keys: list[Key] = field(default_factory=lambda: [key_of("one")])
    """Whose public parts it tells."""
    more_keys: list[dict[str, Any]] = field(default_factory=list)
    """Told as they are."""
    told_issuer: str | None = None
    """What its description says that it is; by default what it is."""
    told_keys_url: str | None = None
    status: int = 200
    body: bytes | None = None
    """Instead of every answer."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """It answers when this is set."""
    asked: list[str] = field(default_factory=list)
    """The paths of its requests."""
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with the first of them."""
    server: asyncio.Server | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realms/hospital"

    @property
    def times_read(self) -> int:
        """How often its keys were read."""
        return sum(path.endswith("/keys") for path in self.asked)

    def oidc(self, **settings: object) -> Oidc:
        """The settings by which it is trusted."""
        return Oidc.model_validate({"issuer": self.issuer, "audience": AUDIENCE, **settings})

    def token(
        self,
        claims: Mapping[str, object] | None = None,
        *,
        key: Key | None = None,
        algorithm: str = "ES256",
        header: Mapping[str, object] | None = None,
        seconds: float = 300,
    ) -> str:
        """Sign a token for alice; a claim or header that is None is left out."""
        now = time.time()
        holds = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": int(now),
            "exp": int(now + seconds),
            **(claims or {}),
        }
        key = key or self.keys[0]
        heads = {"alg": algorithm, "kid": key.kid, "typ": "at+jwt", **(header or {})}
        return sign(heads, holds, key)

    async def start(self) -> None:
        self.gate.set()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be away; `start` brings it back on the same port."""
        if self.server is not None:
            self.server.close()
            self.server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ", 2)[1]
            self.asked.append(path)
            self.was_asked.set()
            await self.gate.wait()
            body = self._answer(path) if self.body is None else self.body
            line = f"HTTP/1.1 {self.status} Told\r\nContent-Type: application/json\r\nConnection: close\r\n"
            writer.write(f"{line}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, path: str) -> bytes:
        if path.endswith("/.well-known/openid-configuration"):
            issuer = self.issuer if self.told_issuer is None else self.told_issuer
            url = f"{self.issuer}/keys" if self.told_keys_url is None else self.told_keys_url
            return orjson.dumps({"issuer": issuer, "jwks_uri": url})
        told = [key.as_dict(private=False) for key in self.keys if not isinstance(key, OctKey)]
        return orjson.dumps({"keys": [*told, *self.more_keys]})


def sign(header: Mapping[str, object], claims: Mapping[str, object], key: Key) -> str:
    """Sign anything; what is None is left out. Whatever comes of it is watched for in logs and errors."""
    heads = {name: value for name, value in header.items() if value is not None}
    holds = {name: value for name, value in claims.items() if value is not None}
    parts = [orjson.dumps(one) for one in (heads, holds)]
    encoded = b".".join(_encoded(part) for part in parts)
    model = JWSRegistry.algorithms[str(header["alg"])]
    return plant(f"{encoded.decode()}.{_encoded(model.sign(encoded, key)).decode()}")


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


@asynccontextmanager
async def running() -> AsyncIterator[Idp]:
    """Run one."""
    idp = Idp()
    await idp.start()
    try:
        yield idp
    finally:
        idp.gate.set()
        await idp.stop()


@asynccontextmanager
async def knowing(idp: Idp, rules: Iterable[Rule] = (), **settings: object) -> AsyncIterator[Tokens]:
    """Take its tokens, by these settings of it."""
    known = Tokens([idp.oidc(**settings)], rules)
    try:
        yield known
    finally:
        await known.close()
