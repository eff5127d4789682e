"""All HTTP faces as one application under rules, and everybody who might ask them."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx2
from starlette.routing import Route

from isthmus.common.access.key_store import KeyRing
from isthmus.common.auth import Policy, Right
from isthmus.common.auth.links import Links
from isthmus.common.blobs import BlobStore
from isthmus.common.bus import Bus
from isthmus.common.config import Settings
from isthmus.common.config.settings import Nats
from isthmus.common.service import Parts
from isthmus.common.service.gate import gate_of
from isthmus.common.service.health import health_routes
from isthmus.common.service.server import application
from isthmus.qido.app import routes as of_qido
from isthmus.stow.app import routes as of_stow
from isthmus.wado.app import routes as of_wado
from isthmus.web_scu.worker import worker
from tests.common.inbox.studies import arrived, inbox_of
from tests.data_sets import identity, make_series
from tests.idp import Idp
from tests.planted import plant, secret

SUBJECT = "CN=ct1,O=Hospital"
"""Of the client certificate that a rule names; another one names the network 10.7.0.0/16."""
Headers = Mapping[str, str]
BOUNDARY = "0123456789abcdef"


def unique_uid() -> str:
    """A UID that no other test uses."""
    return f"2.25.{uuid4().int}"


@dataclass(frozen=True, slots=True)
class Target:
    """A study that is asked for, and one instance of it."""

    origin: str
    study: str
    series: str
    instance: str
    content: bytes

    @classmethod
    def of(cls, origin: str, file: Path) -> "Target":
        """The study of a file."""
        who = identity(file)
        uids = (who.study_instance_uid, who.series_instance_uid, who.sop_instance_uid)
        return cls(origin, *uids, file.read_bytes())

    def url(self, path: str) -> str:
        """Fill in the path of a route."""
        values = {"{origin}": self.origin, "{study}": self.study, "{series}": self.series}
        values |= {"{instance}": self.instance, "{frames}": "1", "{path:path}": "7FE00010"}
        for name, value in values.items():
            path = path.replace(name, value)
        if path.endswith("/wado"):
            uids = f"studyUID={self.study}&seriesUID={self.series}&objectUID={self.instance}"
            path += f"?requestType=WADO&{uids}"
        return path


@dataclass
class Guarded:
    """The faces, what there is, and who may do what."""

    bus: Bus
    blobs: BlobStore
    http: httpx2.AsyncClient
    routes: Sequence[Route]
    mine: str
    """The origin that is asked for."""
    other: str
    """Another one."""
    target: Target
    keys: KeyRing
    idp: Idp
    links: Links
    gateway_secret: str
    names: dict[str, str] = field(default_factory=dict)
    """The names of the keys that rules name."""

    async def key(self, rule: str, expires: float | None = None) -> Headers:
        """Make the key that a rule names."""
        text = await self.keys.create(self.names[rule], expires)
        assert text is not None
        return {"Authorization": f"Bearer {plant(text)}"}

    def token(self, **claims: object) -> Headers:
        """A token of the provider, for alice."""
        return {"Authorization": f"Bearer {plant(self.idp.token(claims))}"}

    def link(self, study: str, hours: float = 1, origin: str | None = None) -> Headers:
        """A link to a study."""
        text = self.links.make(origin or self.mine, study, time.time() + hours * 3600)
        return {"Authorization": f"Bearer {plant(text)}"}

    def through_gateway(self, *, secret: str | None = None, **headers: str) -> Headers:
        """Headers as the gateway sets them: `isthmus_client_certificate`, `x_forwarded_for`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {"Isthmus-Gateway": secret or self.gateway_secret, **named}

    async def ask(
        self, method: str, path: str, headers: Headers, target: Target | None = None
    ) -> httpx2.Response:
        """Ask for the resource of a route."""
        target = target or self.target
        content = None
        if method == "POST":
            headers = {
                **headers,
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={BOUNDARY}',
            }
            part = b"\r\n--%s\r\nContent-Type: application/dicom\r\n\r\n" % BOUNDARY.encode()
            content = part + target.content + b"\r\n--%s--\r\n" % BOUNDARY.encode()
        return await self.http.request(method, target.url(path), headers=headers, content=content)

    async def another_study(self, directory: Path, origin: str | None = None, seed: int = 1) -> Target:
        """Let another study have arrived."""
        (file,) = make_series(directory / unique_uid(), 1, study_uid=unique_uid(), seed=seed)
        await arrived(self.bus, self.blobs, origin or self.mine, [file])
        return Target.of(origin or self.mine, file)


def _rules(mine: str, other: str, names: Mapping[str, str]) -> list[dict[str, object]]:
    everything = [right.value for right in Right]
    return [
        {"key": names["right"], "origins": [mine], "operations": everything},
        {"user": "alice", "origins": [mine], "operations": everything},
        {"certificate": SUBJECT, "origins": [mine], "operations": everything},
        {"network": "10.7.0.0/16", "origins": [mine], "operations": everything},
        {"key": names["other-origin"], "origins": [other], "operations": everything[:4]},
        {
            "key": names["other-study"],
            "origins": [mine],
            "operations": ["search", "retrieve"],
            "studies": {"accession_prefix": ["B"]},
        },
        {
            "key": names["this-study"],
            "origins": [mine],
            "operations": ["search", "retrieve"],
            "studies": {"modality": ["CT"], "accession_prefix": ["A"]},
        },
        {"key": names["events"], "origins": [mine], "operations": ["events"]},
    ]


@asynccontextmanager
async def _worker(parts: Parts) -> AsyncIterator[None]:
    try:
        async with parts.closing, worker(parts):
            yield
    finally:
        await parts.bus.close()


@asynccontextmanager
async def guarded(
    nats: Nats, blobs: BlobStore, name: str, directory: Path, idp: Idp
) -> AsyncIterator[Guarded]:
    """Let two inboxes be there, of which one has a study of CT with the accession number A1.

    Faces and worker have connections of their own, and the worker checks what the faces have decided.
    """
    mine, other = f"{name}-mine", f"{name}-other"
    names = {
        rule: f"{rule}-{name}" for rule in ("right", "other-origin", "other-study", "this-study", "events")
    }
    link_key, gateway_secret = secret("links"), secret("gateway")
    settings = Settings.model_validate(
        {
            "origins": [
                inbox_of(each).model_copy(update={"ae_title": title})
                for each, title in ((mine, "MINE"), (other, "OTHER"))
            ],
            "access": {
                "rules": _rules(mine, other, names),
                "oidc": [idp.oidc().model_dump()],
                "link_key": link_key,
                "signing_key": secret("signing"),
            },
            "dicomweb": {"store": mine},
            "gateway": {"secret": gateway_secret},
            # Then its numbers are not for everybody, and the route is one that takes a right.
            "http": {"listen": "0.0.0.0:1"},
        }
    )
    bus = await Bus.connect(nats, "faces", gate_of(settings, "faces"))
    workers = await Bus.connect(nats, "web-scu", gate_of(settings, "web-scu"))
    files = make_series(directory / "series", 2, study_uid=unique_uid(), seed=1)
    await arrived(bus, blobs, mine, files)
    parts = Parts(settings, bus, blobs)
    parts.closing.push_async_callback(bus.close)
    async with parts.closing, _worker(Parts(settings, workers, blobs)):
        routes = [
            *health_routes(parts),
            *(route for face in (of_qido, of_wado, of_stow) for route in face(parts)),
        ]
        app = application(
            routes, inboxes={mine, other}, policy=Policy.of(settings), authenticate=parts.authenticator
        )
        transport, ring = httpx2.ASGITransport(app), KeyRing(bus)
        async with httpx2.AsyncClient(transport=transport, base_url="http://gateway") as http:
            yield Guarded(
                bus,
                blobs,
                http,
                [route for route in routes if isinstance(route, Route)],
                mine,
                other,
                Target.of(mine, files[0]),
                ring,
                idp,
                Links(link_key),
                gateway_secret,
                names,
            )
        for each in names.values():  # others list the keys of this bus, and have another signing key
            await ring.revoke(each)
