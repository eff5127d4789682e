"""Who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """By what somebody is known."""

    ANYONE = "anyone"
    """By nothing but the address."""
    USER = "user"
    """A token of an identity provider, over HTTP or as DICOM user identity."""
    KEY = "key"
    """An API key."""
    CERTIFICATE = "certificate"
    """A client certificate."""
    AE_TITLE = "ae-title"
    """A calling AE title, without more."""
    LINK = "link"
    """A signed link to a study."""
    SERVICE = "service"
    """One of our own services, on nobody's behalf."""
    OPERATOR = "operator"
    """Whoever runs the system, through the `isthmus` command."""
    METRICS = "metrics"
    """Prometheus, by the key for it."""


@dataclass(frozen=True, slots=True)
class StudyLink:
    """What a signed link opens: this study at this origin, and nothing else."""

    origin: str
    study: str
    """Study Instance UID."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, and all that is known of him; it holds no secret."""

    kind: Kind
    name: str = ""
    """The user, the key's name, the certificate's subject, the AE title, the link's id, or the service."""
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a token, those that rules name."""
    address: str = ""
    """The IP address that he comes from."""
    ae_title: str = ""
    """The calling AE title, of a DIMSE client."""
    certificate: str = ""
    """The subject of the client certificate (RFC 4514), where there is one."""
    until: float | None = None
    """When what he is known by ends (seconds since 1970); None where it does not."""
    link: StudyLink | None = None
    """Of a link, what it opens."""

    @property
    def is_known(self) -> bool:
        """Whether there is a credential: who has none may be asked for one."""
        return self.kind not in {Kind.ANYONE, Kind.AE_TITLE}

    @property
    def label(self) -> str:
        """How limits, logs and audit records call him: `key:ai`, `user:alice`, `anyone:10.1.0.7`."""
        return f"{self.kind}:{self.name or self.address}"
