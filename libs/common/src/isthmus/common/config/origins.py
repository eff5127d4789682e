"""The origins: what each kind of them is, and how it is reached."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from isthmus.common.config.files import secret_in
from isthmus.common.config.key_pattern import KeyPattern
from isthmus.common.config.kinds import (
    AETitle,
    BucketName,
    CharacterSet,
    Endpoint,
    Few,
    Host,
    NonEmpty,
    OriginName,
    PlainUrl,
    Port,
    ProxyUrl,
    ResourcePath,
    Seconds,
    Section,
    is_in_clear,
)
from isthmus.common.config.pairs import require_both_or_none, require_said_once
from isthmus.common.config.quirks import QuirkName
from isthmus.common.config.tls import PeerTls


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


def _supported(protocol: object) -> object:
    if protocol not in KINDS:
        raise ValueError(f"{str(protocol)!r} is no protocol: {' or '.join(KINDS)}")
    return Protocol(str(protocol))


class Conflicts(StrEnum):
    """What becomes of an instance that arrives again with other bytes."""

    NEWEST = "newest"
    """The newest is the one that is read."""
    FIRST = "first"
    """The first stays the one that is read; what came later is kept beside it."""
    REFUSE = "refuse"
    """It is not taken: 0111, Duplicate SOP Instance (PS3.7 Annex C)."""


class Origin(Section):
    """A system that holds or takes DICOM objects."""

    name: OriginName
    """In URLs, `/aets/{name}`: lower case letters, digits and hyphens; not `all`."""
    protocol: Protocol
    """What it speaks."""
    ae_title: AETitle
    """Of a PACS, how it is called; also the called AE title by which DIMSE clients reach it here."""
    prefetch: bool = True
    """Whether the rest of a study follows when one of its series is opened."""
    search_seconds: Seconds = 15.0
    """How long a search over all origins waits for this one."""

    RESERVED: ClassVar[frozenset[str]] = frozenset({"all"})

    @model_validator(mode="after")
    def _has_a_name_of_its_own(self) -> Self:
        if self.name in self.RESERVED:
            raise ValueError(f"the name {self.name!r} is reserved")
        return self


class DimseOrigin(Origin):
    """A PACS."""

    protocol: Annotated[Literal[Protocol.DIMSE], BeforeValidator(_supported)] = Protocol.DIMSE
    host: Host = "127.0.0.1"
    """Its name or address."""
    port: Port
    """Where it listens."""
    retrieve: Annotated[tuple[RetrieveMethod, ...], Field(min_length=1)] = (
        RetrieveMethod.C_GET,
        RetrieveMethod.C_MOVE,
    )
    """The methods allowed, in the order in which they are tried."""
    associations: Few = 4
    """Most associations at one time, over all workers."""
    timeout_seconds: Seconds = 30.0
    """Of silence, not in total."""
    character_set: CharacterSet = "ISO_IR 192"
    """Specific Character Set (PS3.3 C.12.1.1.2) of the queries that we send."""
    quirks: frozenset[QuirkName] = frozenset()
    """What this origin does badly, and what cannot be found out; see docs/quirks.md."""
    tls: PeerTls | None = None
    """TLS with it; without this table everything is in clear."""

    @model_validator(mode="after")
    def _methods_differ(self) -> Self:
        if len(set(self.retrieve)) != len(self.retrieve):
            raise ValueError("retrieve names a method twice")
        return self


class Inbox(Origin):
    """What modalities push to this called AE title, held here."""

    protocol: Literal[Protocol.INBOX]
    conflicts: Conflicts = Conflicts.NEWEST
    """What becomes of an instance that arrives again with other bytes."""
    quiet_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """How long nothing of a study may come before it has arrived; without it `arrivals.quiet_seconds`."""
    expect: OriginName | None = None
    """The DIMSE origin that knows how many instances a study has (C-FIND)."""
    keep_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Studies of which nothing came for so long are deleted; without it none by age."""
    delete_forwarded: bool = False
    """Whether a study is deleted once it is at all the origins that it is forwarded to."""


class OAuth2(Section):
    """How a token for an origin is had: OAuth 2.0 client credentials (RFC 6749 4.4)."""

    token_url: PlainUrl
    """The token endpoint; `https`, but on loopback (RFC 6749 3.2)."""
    client_id: NonEmpty
    """Who we are there."""
    client_secret_file: Path
    """A file that holds the client secret, read anew when it changes."""
    scope: str | None = None
    """What the token is asked for, in words that blanks separate."""


class Acknowledge(StrEnum):
    """When a C-STORE is answered."""

    ORIGIN = "origin"
    """When the origin has answered, with what it says."""
    SPOOL = "spool"
    """When it is held durably here; it goes on to the origin afterwards."""


class DicomwebOrigin(Origin):
    """A DICOMweb server."""

    protocol: Literal[Protocol.DICOMWEB]
    url: PlainUrl
    """Where its resources begin: `studies` comes after it."""
    connections: Few = 4
    """Most requests at one time, of each worker."""
    timeout_seconds: Seconds = 30.0
    """Of silence, not in total."""
    user: Annotated[str, StringConstraints(min_length=1, pattern=r"^[^:]*$")] | None = None
    """Who we are there (RFC 7617), with `password_file`."""
    password_file: Path | None = None
    """A file that holds the password, read anew when it changes."""
    token_file: Path | None = None
    """A file that holds a bearer token, read anew when it changes; `url` is `https` then (RFC 6750 5.3)."""
    oauth2: OAuth2 | None = None
    """A token by OAuth 2.0; of user, token_file and oauth2 there may be one."""
    certificate_file: Path | None = None
    """Our certificate and its chain (PEM), for mutual TLS, with `key_file`; read once, at the start."""
    key_file: Path | None = None
    """Its private key (PEM), without a passphrase."""
    ca_file: Path | None = None
    """Certificates (PEM) that its own is verified by; else those of `SSL_CERT_FILE`, or the usual ones."""
    proxy: Annotated[ProxyUrl | None, Field(repr=False)] = None
    """URL of the HTTP proxy on the way there; it may hold a user and a password, which are shown nowhere."""
    http2: bool = True
    """Whether HTTP/2 is spoken where it offers it in TLS; HTTP/1.1 takes half of the processor's time."""
    acknowledge: Acknowledge = Acknowledge.ORIGIN
    """When a C-STORE is answered."""
    worklist: ResourcePath = "modality-scheduled-procedure-steps"
    """The resource below `url` that is its modality worklist (PS3.18 14); dcm4chee's is `mwlitems`."""

    @model_validator(mode="after")
    def _has_one_identity(self) -> Self:
        require_both_or_none(self, "user", "password_file")
        require_both_or_none(self, "certificate_file", "key_file")
        if sum(one is not None for one in (self.user, self.token_file, self.oauth2)) > 1:
            raise ValueError("of user, token_file and oauth2 only one says who we are")
        return self

    @model_validator(mode="after")
    def _tells_its_secrets_in_tls(self) -> Self:
        has_token = self.token_file is not None or self.oauth2 is not None
        if has_token and is_in_clear(self.url):
            raise ValueError("url must begin with https://: the token would travel in clear")
        if self.oauth2 is not None and is_in_clear(self.oauth2.token_url):
            raise ValueError("oauth2.token_url must begin with https://: the secret would travel in clear")
        if self.certificate_file is not None and not self.url.startswith("https://"):
            raise ValueError("url must begin with https://: certificate_file is for TLS")
        return self


class S3Origin(Origin):
    """A bucket of others, with a DICOM file (PS3.10) under each key."""

    protocol: Literal[Protocol.S3]
    endpoint: Endpoint
    """Host and port, or a URL: with TLS `https://...`."""
    bucket: BucketName
    """Its name; it is never made."""
    access_key: str | None = Field(default=None, repr=False)
    """Who reads it, and writes where instances are stored; without it, what everybody may read."""
    access_key_file: Path | None = None
    """A file that holds the same."""
    secret_key: str | None = Field(default=None, repr=False)
    """What requests are signed with; better in the environment than in the file."""
    secret_key_file: Path | None = None
    """A file that holds the same."""
    region: NonEmpty | None = None
    """Where it is; without it the server is asked."""
    prefix: str = ""
    """The folder in it that is looked at; without it all of it."""
    pattern: str = "{study}/{series}/{instance}"
    """How the keys below the folder name instances; a `.dcm` behind that is no part of a UID."""
    refresh_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """How often it is looked for what is new, changed or gone."""
    ca_file: Path | None = None
    """Certificates (PEM) that its own is verified by; else those of `SSL_CERT_FILE`, or the usual ones."""

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        KeyPattern.of("", pattern)
        return pattern

    @model_validator(mode="after")
    def _has_both_keys_or_none(self) -> Self:
        for name in ("access_key", "secret_key"):
            require_said_once(self, name)
        access_key, secret_key = self.credentials()
        if bool(access_key) != bool(secret_key):
            raise ValueError("access_key and secret_key go together")
        if self.ca_file is not None and not self.endpoint.startswith("https://"):
            raise ValueError("endpoint must begin with https://: ca_file is for TLS")
        return self

    @property
    def key_pattern(self) -> KeyPattern:
        """How its keys name instances."""
        return KeyPattern.of(self.prefix, self.pattern)

    def credentials(self) -> tuple[str | None, str | None]:
        """Give access key and secret key; None where everybody may read.

        Raises:
            ValueError: a file cannot be read; names it, and quotes nothing of it.
        """
        return (
            _written("access_key", self.access_key, self.access_key_file),
            _written("secret_key", self.secret_key, self.secret_key_file),
        )


def _written(name: str, text: str | None, file: Path | None) -> str | None:
    if file is None:
        return text or None
    try:
        return secret_in(file)
    except ValueError as error:
        raise ValueError(f"{name}_file: {file}: {error}") from None


KINDS: Final[Mapping[Protocol, type[Origin]]] = {
    Protocol.DIMSE: DimseOrigin,
    Protocol.DICOMWEB: DicomwebOrigin,
    Protocol.S3: S3Origin,
    Protocol.INBOX: Inbox,
}
"""What an origin of each protocol is in the settings."""


def _kind(origin: object) -> str:
    """Tell which of the models an origin is to be read as; what is none of them fails as the usual one."""
    protocol = origin.get("protocol") if isinstance(origin, dict) else getattr(origin, "protocol", None)
    return Protocol(str(protocol)) if protocol in KINDS else Protocol.DIMSE


AnyOrigin = Annotated[
    Annotated[DimseOrigin, Tag(Protocol.DIMSE)]
    | Annotated[DicomwebOrigin, Tag(Protocol.DICOMWEB)]
    | Annotated[S3Origin, Tag(Protocol.S3)]
    | Annotated[Inbox, Tag(Protocol.INBOX)],
    Discriminator(_kind),
]
