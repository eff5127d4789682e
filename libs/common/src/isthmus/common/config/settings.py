"""Every setting there is, with its default. The names here are the names in `isthmus.toml`."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from isthmus.common.config.access import Access
from isthmus.common.config.arriving import Arrivals, Caller
from isthmus.common.config.audit import Audit
from isthmus.common.config.destinations import Destination, check_destinations
from isthmus.common.config.files import secret_in
from isthmus.common.config.forwarding import check_deletions
from isthmus.common.config.http import Gateway, Http
from isthmus.common.config.kinds import (
    AETitle,
    BucketName,
    Endpoint,
    Few,
    ListenAddress,
    ListenOrNot,
    NatsUrl,
    OriginName,
    PlainUrl,
    Seconds,
    Section,
)
from isthmus.common.config.limits import Limits
from isthmus.common.config.listening import check_listening
from isthmus.common.config.origins import AnyOrigin, DimseOrigin, Inbox, Origin, S3Origin
from isthmus.common.config.pairs import require_both_or_none, require_said_once
from isthmus.common.config.tls import ListenerTls


class Dicomweb(Section):
    """All origins as one, at `/dicomweb`."""

    store: OriginName | None = None
    """The origin that takes what is stored there; where there is only one, that one."""
    ae_title: AETitle | None = None
    """The called AE title by which DIMSE clients reach all origins as one; without it they do not."""


class Scp(Section):
    """The DIMSE face."""

    ae_title: AETitle = "ISTHMUS"
    """Also our calling AE title."""
    listen: ListenOrNot = ListenAddress("127.0.0.1:11112")
    """Address and port, in clear, as of `gateway.listen`; empty: none, where there is `[scp.tls]`."""
    tls: ListenerTls | None = None
    """The port with TLS, beside or instead of that in clear; without this table there is none."""
    max_associations: Annotated[int, Field(ge=1, le=1024)] = 64
    """At one time; one more is refused."""
    max_associations_per_ae_title: Annotated[int, Field(ge=1, le=1024)] = 32
    """Of one calling AE title, at one time; one more is refused for now."""
    max_associations_per_address: Annotated[int, Field(ge=1, le=1024)] = 48
    """From one IP address, at one time; one more is refused for now."""
    max_pdu: Annotated[int, Field(ge=4096, le=1024 * 1024)] = 128 * 1024
    """Bytes of the variable field of a P-DATA-TF PDU, as we announce it (Maximum Length, PS3.8 D.1)."""
    negotiation_seconds: Seconds = 10.0
    """For the request of an association to come, and after a rejection for its end (ARTIM, PS3.8 9.1.5)."""
    idle_seconds: Seconds = 60.0
    """Of silence, or for one PDU to come to its end; then the association is aborted."""
    max_receiving_bytes: Annotated[int, Field(ge=1024 * 1024)] = 512 * 1024 * 1024
    """Of data sets on their way into S3; who comes then waits for the acknowledgement of the one before."""
    callers: tuple[Caller, ...] = ()
    """Where the results of Storage Commitment go; who may do what is in `access.rules`."""
    destinations: tuple[Destination, ...] = ()
    """Where a C-MOVE may have instances sent."""

    @model_validator(mode="after")
    def _listens(self) -> Self:
        if not self.listen and self.tls is None:
            raise ValueError("scp.listen: is empty, and there is no [scp.tls] either")
        return self

    @model_validator(mode="after")
    def _destinations_differ(self) -> Self:
        check_destinations(self.destinations)
        return self


class Replicas(Section):
    """How many processes of each service `isthmus up` starts."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    qido: Few = 1
    wado: Few = 1
    stow: Few = 1
    dimse_scu: Annotated[int, Field(ge=1, le=64, alias="dimse-scu")] = 1
    web_scu: Annotated[int, Field(ge=1, le=64, alias="web-scu")] = 1
    arrivals: Few = 1


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

    processes: Few = 2
    """Worker processes of each wado, and of each stow."""
    max_frame_bytes: Annotated[int, Field(ge=1024)] = 512 * 1024 * 1024
    """Bytes of one decoded frame; a frame that says that it is larger is refused."""
    timeout_seconds: Seconds = 60.0
    """For one piece of work; then its process is killed."""


class Nats(Section):
    """The bus."""

    url: NatsUrl = "nats://127.0.0.1:4222"
    """Where it listens; `tls://` where it speaks TLS, without which we then say nothing to it."""
    user: str = ""
    """Who we are there; empty: nobody in particular."""
    password: str = Field(default="", repr=False)
    """Better in the environment than in the file."""
    password_file: Path | None = None
    """A file that holds it."""
    ca_file: Path | None = None
    """Certificates (PEM) by which its own is verified, where the usual ones do not do."""
    certificate_file: Path | None = None
    """Our certificate and its chain (PEM), where it wants to know us, with `key_file`."""
    key_file: Path | None = None
    """The key of that, without a passphrase."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        require_said_once(self, "password")
        require_both_or_none(self, "certificate_file", "key_file")
        for name in ("ca_file", "certificate_file"):
            if getattr(self, name) is not None and not self.has_tls:
                raise ValueError(f"{name}: without TLS: url must begin with tls://")
        return self

    @property
    def has_tls(self) -> bool:
        """Whether TLS is spoken."""
        return self.url.startswith("tls://")

    @property
    def secret(self) -> str:
        """The password.

        Raises:
            ValueError: its file cannot be read; quotes nothing of it.
        """
        return self.password if self.password_file is None else secret_in(self.password_file)


class S3(Section):
    """The blob store: anything that speaks S3."""

    endpoint: Endpoint = "127.0.0.1:9000"
    """Host and port; with TLS a URL that begins with `https://`."""
    bucket: BucketName = "isthmus"
    """It is made if it is not there."""
    access_key: str = Field(default="", repr=False)
    """Whose the bucket is."""
    secret_key: str = Field(default="", repr=False)
    """Better in the environment than in the file."""
    secret_key_file: Path | None = None
    """A file that holds it."""
    ca_file: Path | None = None
    """Certificates (PEM) by which its own is verified, where the usual ones do not do."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        require_said_once(self, "secret_key")
        if self.ca_file is not None and not self.endpoint.startswith("https://"):
            raise ValueError("ca_file: without TLS: endpoint must begin with https://")
        return self

    @property
    def secret(self) -> str:
        """The secret key.

        Raises:
            ValueError: its file cannot be read; quotes nothing of it.
        """
        return self.secret_key if self.secret_key_file is None else secret_in(self.secret_key_file)


class Telemetry(Section):
    """Traces, metrics and logs."""

    otlp: PlainUrl | None = None
    """A collector that takes spans and metrics by OTLP over HTTP, such as `http://collector:4318`; without it
    what `OTEL_EXPORTER_OTLP_ENDPOINT` names."""
    traces: Path | None = None
    """Folder for spans where no collector takes them."""
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of traces that is recorded; 0 is none, whoever asks for it."""
    log_level: Annotated[str, StringConstraints(pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    """What is logged at least: DEBUG, INFO, WARNING or ERROR."""


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
    limits: Limits = Limits()
    arrivals: Arrivals = Arrivals()
    access: Access = Access()
    audit: Audit = Audit()
    origins: tuple[AnyOrigin, ...] = ()

    @property
    def inboxes(self) -> tuple[Inbox, ...]:
        """Those of the origins that are inboxes."""
        return tuple(origin for origin in self.origins if isinstance(origin, Inbox))

    @property
    def s3_origins(self) -> tuple[S3Origin, ...]:
        """Those of the origins that are buckets."""
        return tuple(origin for origin in self.origins if isinstance(origin, S3Origin))

    @property
    def dimse_origins(self) -> tuple[DimseOrigin, ...]:
        """Those of the origins that speak DIMSE."""
        return tuple(origin for origin in self.origins if isinstance(origin, DimseOrigin))

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
        _check_unique((f"origins[{number}].name", origin.name) for number, origin in enumerate(self.origins))
        return self

    @model_validator(mode="after")
    def _default_is_an_origin(self) -> Self:
        # Without origins in the settings there is the demo, whose name is not known here.
        store = self.dicomweb.store
        if store is not None and self.origins and store not in {origin.name for origin in self.origins}:
            raise ValueError(f"dicomweb.store: no origin is named {store!r}")
        return self

    @model_validator(mode="after")
    def _listens_where_it_may(self) -> Self:
        check_listening(self.listening, is_open=self.access.is_open)
        return self

    @property
    def listening(self) -> Mapping[str, ListenAddress]:
        """Give the addresses at which something listens, by the settings that name them."""
        addresses = {
            "gateway.listen": self.gateway.listen,
            "scp.listen": self.scp.listen,
            "scp.tls.listen": self.scp.tls.listen if self.scp.tls is not None else "",
            "http.listen": self.http.listen,
        }
        return {name: ListenAddress(address) for name, address in addresses.items() if address}

    @model_validator(mode="after")
    def _addresses_differ(self) -> Self:
        listening = {"gateway.listen": self.gateway.listen, "scp.listen": self.scp.listen}
        if self.scp.tls is not None:
            listening["scp.tls.listen"] = self.scp.tls.listen
        known: dict[str, str] = {}
        for name, address in listening.items():
            if address and ListenAddress(address).port and (other := known.setdefault(address, name)) != name:
                raise ValueError(f"{other} and {name} are both {address}")
        return self

    @model_validator(mode="after")
    def _called_ae_titles_differ(self) -> Self:
        everywhere = [("dicomweb.ae_title", self.dicomweb.ae_title)] if self.dicomweb.ae_title else []
        inboxes, pacs, others = (self._ae_titles_of(kind) for kind in (Inbox, DimseOrigin, None))
        _check_unique([("scp.ae_title", self.scp.ae_title), *everywhere, *others, *inboxes])
        # A PACS may be configured several times, or an inbox stand in its place: then it cannot be called.
        for one in pacs:
            _check_unique([*everywhere, *others, one])
        return self

    def _ae_titles_of(self, kind: type[Origin] | None) -> list[tuple[str, str]]:
        """Give the AE titles of the origins of a kind, or, for None, of those that are neither of the two."""
        return [
            (f"origins[{number}].ae_title", origin.ae_title)
            for number, origin in enumerate(self.origins)
            if (isinstance(origin, kind) if kind else not isinstance(origin, Inbox | DimseOrigin))
        ]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        inboxes = {inbox.name for inbox in self.inboxes}
        pacs = {origin.name for origin in self.dimse_origins}
        origins = {origin.name for origin in self.origins}
        for place, names, known in self._references():
            for name in names:
                if name not in {"inboxes": inboxes, "PACS": pacs, "origins": origins}[known]:
                    raise ValueError(f"{place}: {name!r} is none of the {known}")
        return self

    @model_validator(mode="after")
    def _what_is_deleted_is_somewhere(self) -> Self:
        inboxes = (origin for origin in self.origins if isinstance(origin, Inbox))
        check_deletions(self.arrivals.forward, inboxes)
        return self

    @model_validator(mode="after")
    def _rules_lead_elsewhere(self) -> Self:
        for number, forward in enumerate(self.arrivals.forward):
            inboxes = {forward.inbox} if forward.inbox is not None else {one.name for one in self.inboxes}
            for name in forward.to:
                if inboxes == {name}:
                    raise ValueError(f"arrivals.forward[{number}].to: {name!r} would forward to itself")
        return self

    def _references(self) -> Iterator[tuple[str, Iterable[str], Literal["inboxes", "PACS", "origins"]]]:
        for number, rule in enumerate(self.access.rules):
            yield f"access.rules[{number}].origins", rule.origins or (), "origins"
        for number, forward in enumerate(self.arrivals.forward):
            yield f"arrivals.forward[{number}].inbox", filter(None, [forward.inbox]), "inboxes"
            yield f"arrivals.forward[{number}].to", forward.to, "origins"
        for number, webhook in enumerate(self.arrivals.webhooks):
            yield f"arrivals.webhooks[{number}].origins", webhook.origins or (), "inboxes"
        for number, origin in enumerate(self.origins):
            if isinstance(origin, Inbox):
                yield f"origins[{number}].expect", filter(None, [origin.expect]), "PACS"


def _check_unique(settings: Iterable[tuple[str, str]]) -> None:
    """See that no two of these settings, each with its value, have the same.

    Raises:
        ValueError: two have.
    """
    places: dict[str, str] = {}
    for place, value in settings:
        if value in places:
            raise ValueError(f"{place}: {value!r} is {places[value]} too")
        places[value] = place
