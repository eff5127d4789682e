"""Every setting there is, with its default. The names here are the names in `isthmus.toml`."""

import re
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydicom.charset import python_encoding

from isthmus.common.config.quirks import QuirkName

# As browsers write it (RFC 6454 6.2): in lower case, without a path.
_WEB_ORIGIN: Final = re.compile(r"https?://(?:[0-9a-z._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class Protocol(StrEnum):
    """What an origin speaks."""

    DIMSE = "dimse"
    DICOMWEB = "dicomweb"
    S3 = "s3"
    INBOX = "inbox"


class RetrieveMethod(StrEnum):
    """How a DIMSE origin is asked for instances (PS3.4 C.4.2, C.4.3)."""

    C_GET = "c-get"
    C_MOVE = "c-move"


class ListenAddress(str):
    """`host:port` of a server socket; the host is an IP address or `localhost`, port 0 means any free one."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """The host, without the brackets of an IPv6 address."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.rpartition(":")[2])


def _listen_address(text: str) -> ListenAddress:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError('is no "host:port"')
    if host != "localhost":
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            raise ValueError(f"{host!r} is no IP address") from None
        if not address.is_loopback:
            raise ValueError("must be a loopback address: there is no access control yet")
    return ListenAddress(text)


def _ae_title(text: str) -> str:
    title = text.strip()
    if not title or len(title) > 16 or "\\" in title or not title.isprintable() or not title.isascii():
        raise ValueError("is no AE title: 1 to 16 printable ASCII characters without backslash (PS3.5 6.2)")
    return title


def _character_set(text: str) -> str:
    unknown = [term for term in text.split("\\") if term not in python_encoding]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no defined term of Specific Character Set (PS3.3 C.12.1.1.2)")
    return text


def _web_origin(text: str) -> str:
    if text != "*" and not _WEB_ORIGIN.fullmatch(text):
        raise ValueError('is neither "*" nor a web origin such as "https://viewer.example.org"')
    return text


def _supported(protocol: Protocol) -> Protocol:
    if protocol is not Protocol.DIMSE:
        raise ValueError(f"{protocol.value!r} is not yet supported")
    return protocol


Listen = Annotated[str, AfterValidator(_listen_address)]
AETitle = Annotated[str, AfterValidator(_ae_title)]
WebOrigin = Annotated[str, AfterValidator(_web_origin)]
CharacterSet = Annotated[str, AfterValidator(_character_set)]
OriginName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Section(BaseModel):
    """A table of the settings file; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Gateway(Section):
    """The one address that HTTP clients use."""

    listen: Listen = ListenAddress("127.0.0.1:8080")
    cors_origins: tuple[WebOrigin, ...] = ()
    """Web origins (scheme, host, port) whose pages may read what we answer, or `*`."""


class Dicomweb(Section):
    """All origins as one, at `/dicomweb`."""

    store: OriginName | None = None
    """The origin that takes what is stored there; where there is only one, that one."""


class Scp(Section):
    """The DIMSE face."""

    ae_title: AETitle = "ISTHMUS"
    """Also our calling AE title."""
    listen: Listen = ListenAddress("127.0.0.1:11112")


class Replicas(Section):
    """How many processes of each service `isthmus up` starts."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    qido: Annotated[int, Field(ge=1, le=64)] = 1
    wado: Annotated[int, Field(ge=1, le=64)] = 1
    stow: Annotated[int, Field(ge=1, le=64)] = 1
    dimse_scu: Annotated[int, Field(ge=1, le=64, alias="dimse-scu")] = 1


class Up(Section):
    """`isthmus up`."""

    replicas: Replicas = Replicas()


class Search(Section):
    """Limits of QIDO-RS."""

    max_matches: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Most matches in one answer."""
    max_parents: Annotated[int, Field(ge=1)] = 500
    """Most studies or series that a relational search fans out over."""
    no_matches: Literal[200, 204] = 200
    """The status of a search that finds nothing: an empty list, or no content (PS3.18 8.3.4.4.1)."""


class Cache(Section):
    """What is held of the origins, in S3."""

    fresh_seconds: Annotated[float, Field(ge=0, le=86_400)] = 30.0
    """For how long what an origin listed is taken to be still so."""
    max_bytes: Annotated[int, Field(ge=0)] = 50_000_000_000
    """Beyond this the studies least recently read are deleted; those of the last ten minutes stay."""


class Pixels(Section):
    """Decoding, transcoding and rendering."""

    processes: Annotated[int, Field(ge=1, le=64)] = 2
    """Worker processes of each wado, and of each stow."""
    max_frame_bytes: Annotated[int, Field(ge=1024)] = 512 * 1024 * 1024
    """Bytes of one decoded frame; a frame that says that it is larger is refused."""
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """For one piece of work; then its process is killed."""


class Http(Section):
    """The HTTP server that each service has: its resources, `/healthz`, `/readyz`, `/metrics`."""

    listen: Listen = ListenAddress("127.0.0.1:0")


class Nats(Section):
    """The bus."""

    url: str = "nats://127.0.0.1:4222"
    user: str = ""
    password: str = Field(default="", repr=False)


class S3(Section):
    """The blob store: anything that speaks S3."""

    endpoint: str = "127.0.0.1:9000"
    bucket: str = "isthmus"
    access_key: str = Field(default="", repr=False)
    secret_key: str = Field(default="", repr=False)


class Telemetry(Section):
    """Traces and logs."""

    traces: Path | None = None
    """Folder for spans when OTEL_EXPORTER_OTLP_ENDPOINT is not set."""
    log_level: Annotated[str, StringConstraints(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"


class Origin(Section):
    """A system that holds or takes DICOM objects."""

    name: OriginName
    protocol: Annotated[Protocol, AfterValidator(_supported)] = Protocol.DIMSE
    ae_title: AETitle
    host: Annotated[str, StringConstraints(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)]
    retrieve: Annotated[tuple[RetrieveMethod, ...], Field(min_length=1)] = (
        RetrieveMethod.C_GET,
        RetrieveMethod.C_MOVE,
    )
    """The methods allowed, in the order in which they are tried."""
    associations: Annotated[int, Field(ge=1, le=64)] = 4
    """Most associations at one time, over all workers."""
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Of silence, not in total."""
    character_set: CharacterSet = "ISO_IR 192"
    """Specific Character Set (PS3.3 C.12.1.1.2) of the queries that we send."""
    prefetch: bool = True
    """Whether the rest of a study follows when one of its series is opened."""
    search_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
    """How long a search over all origins waits for this one."""
    quirks: frozenset[QuirkName] = frozenset()
    """What this origin does badly, and what cannot be found out; see docs/quirks.md."""

    RESERVED: ClassVar[frozenset[str]] = frozenset({"all"})

    @model_validator(mode="after")
    def _can_be_served(self) -> Self:
        if self.name in self.RESERVED:
            raise ValueError(f"the name {self.name!r} is reserved")
        if len(set(self.retrieve)) != len(self.retrieve):
            raise ValueError("retrieve names a method twice")
        return self


class Settings(BaseSettings):
    """The whole settings file."""

    model_config = SettingsConfigDict(
        env_prefix="ISTHMUS_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    gateway: Gateway = Gateway()
    dicomweb: Dicomweb = Dicomweb()
    scp: Scp = Scp()
    up: Up = Up()
    search: Search = Search()
    cache: Cache = Cache()
    pixels: Pixels = Pixels()
    http: Http = Http()
    nats: Nats = Nats()
    s3: S3 = S3()
    telemetry: Telemetry = Telemetry()
    origins: tuple[Origin, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose content comes as init arguments."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [origin.name for origin in self.origins]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two origins are named {name!r}")
        return self

    @model_validator(mode="after")
    def _default_is_an_origin(self) -> Self:
        # Without origins in the settings there is the demo, whose name is not known here.
        store = self.dicomweb.store
        if store is not None and self.origins and store not in {origin.name for origin in self.origins}:
            raise ValueError(f"dicomweb.store: no origin is named {store!r}")
        return self

    @model_validator(mode="after")
    def _addresses_differ(self) -> Self:
        if self.gateway.listen == self.scp.listen and ListenAddress(self.scp.listen).port != 0:
            raise ValueError(f"gateway.listen and scp.listen are both {self.scp.listen}")
        return self
