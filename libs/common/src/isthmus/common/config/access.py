"""Who may do what: the rules for both sides, HTTP and DIMSE."""

import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from isthmus.common.config.arriving import STUDY_EVENTS, EventTypes, Modality
from isthmus.common.config.files import secret_in
from isthmus.common.config.kinds import AETitle, ExactPlainUrl, NonEmpty, OriginName, Section, is_in_clear
from isthmus.common.config.networks import Network
from isthmus.common.config.pairs import require_said_once

LEAST_SECRET: Final = 32
"""Characters of a key that signs: 24 random bytes in base64."""
KEY_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,62}")
"""What a key may be called; a key itself is longer."""
_SUBJECT: Final = re.compile(r"\s*[0-9A-Za-z.-]+\s*=")
Days = Annotated[int, Field(ge=1, le=36_500)]


class Right(StrEnum):
    """What somebody may do at an origin."""

    SEARCH = "search"
    """QIDO-RS; C-FIND, of a worklist too."""
    RETRIEVE = "retrieve"
    """WADO-RS and WADO-URI; C-MOVE and C-GET."""
    STORE = "store"
    """STOW-RS; C-STORE, Storage Commitment, procedure steps and instance availability."""
    DELETE = "delete"
    """DELETE, of what is in an inbox."""
    EVENTS = "events"
    """To hear of what arrives, over NATS."""
    ADMIN = "admin"
    """`/metrics` of a service that listens beyond loopback."""


Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures by a key pair (RFC 7518 3.1, RFC 8037): none by a shared secret, and never `none`."""


def _secret(text: str) -> str:
    if len(text.strip()) < LEAST_SECRET:
        raise ValueError(f"has fewer than {LEAST_SECRET} characters: make one by openssl rand -base64 32")
    return text.strip()


Secret = Annotated[str, AfterValidator(_secret)]


def _key_name(text: str) -> str:
    if not KEY_NAME.fullmatch(text):
        raise ValueError("is no name of a key, as isthmus key create has it; the key itself is said nowhere")
    return text


def _subject(text: str) -> str:
    if not _SUBJECT.match(text):
        raise ValueError("is no subject of a certificate, such as CN=ct1,O=Hospital (RFC 4514)")
    return text


KeyName = Annotated[str, AfterValidator(_key_name)]
Subject = Annotated[str, AfterValidator(_subject)]


def key_in(path: Path) -> str:
    """Give the key that a file holds.

    Raises:
        ValueError: it cannot be read, or holds none; quotes nothing of it.
    """
    return _secret(secret_in(path))


def _written(secret: str | None, file: Path | None) -> str | None:
    return secret if file is None else key_in(file)


class Oidc(Section):
    """An OpenID Connect provider, whose access tokens are taken as `Authorization: Bearer`."""

    issuer: ExactPlainUrl
    """The issuer (`iss`), to the letter as its tokens name it."""
    audience: NonEmpty
    """What the tokens are for (`aud`): tokens for others are refused."""
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "PS256", "ES256", "EdDSA")
    """Signatures that are taken."""
    name_claim: NonEmpty = "sub"
    """Which claim names the user, in rules and audit records."""
    leeway_seconds: Annotated[float, Field(ge=0, le=300)] = 30.0
    """By how much the provider's clock may differ from ours."""
    refresh_seconds: Annotated[float, Field(ge=1, le=86_400)] = 3600.0
    """After which its keys are read anew; a token by a key that is not known has them read at once."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    """For an answer of the provider."""
    ca_file: Path | None = None
    """Certificates by which the provider's is verified, where the usual ones do not do."""

    @property
    def discovery_url(self) -> str:
        """Where the provider describes itself (OpenID Connect Discovery 4)."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"

    @model_validator(mode="after")
    def _keys_come_safely(self) -> Self:
        if is_in_clear(self.issuer):
            raise ValueError("issuer: must begin with https://, or anyone on the way could replace its keys")
        return self


class StudyFilter(Section):
    """Which studies; all that is named must hold, and an attribute that nobody tells does not."""

    modality: frozenset[Modality] = frozenset()
    """One of its series is of one of these."""
    institution: frozenset[NonEmpty] = frozenset()
    """It, or one of its series, has one of these Institution Names; letters of either case are alike."""
    accession_prefix: tuple[NonEmpty, ...] = ()
    """Its Accession Number begins with one of these."""
    since: date | None = None
    """Its Study Date is this or later."""
    until: date | None = None
    """Its Study Date is this or earlier."""
    last_days: Days | None = None
    """Its Study Date is at most so many days ago (1: yesterday, or today)."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names nothing; leave it out where every study is meant")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("since is after until")
        return self


class Rule(Section):
    """One who may do something; all that it names of somebody must hold. Of several rules one is enough."""

    user: NonEmpty | None = None
    """The user of a token, by its `name_claim`; with several providers say whose, by `iss` in `claims`."""
    claims: dict[NonEmpty, frozenset[NonEmpty]] = {}  # noqa: RUF012  # pydantic gives each rule its own
    """Claims of a token, each with values of which one is enough: `{groups = ["radiology"]}`."""
    key: KeyName | None = None
    """The name of an API key (`isthmus key create NAME`)."""
    certificate: Subject | None = None
    """The subject of a client certificate as RFC 4514 writes it (`CN=ct1,O=Hospital`), over HTTP or DIMSE."""
    ae_title: AETitle | None = None
    """The calling AE title of a DIMSE client. Anybody can claim one: name `network` or `certificate` too."""
    network: Network | None = None
    """The IP address or network (`10.1.0.0/16`) that somebody comes from."""
    subscriber: OriginName | None = None
    """One of `access.subscribers`, for `events`."""
    anyone: bool = False
    """Everybody, also without a credential."""
    origins: Annotated[frozenset[OriginName], Field(min_length=1)] | None = None
    """At which origins; without it at all."""
    operations: Annotated[frozenset[Right], Field(min_length=1)]
    """What may be done."""
    studies: StudyFilter | None = None
    """With which studies; without it with all. For `search` and `retrieve` alone."""

    @model_validator(mode="after")
    def _is_someone(self) -> Self:
        who = (self.user, self.key, self.certificate, self.ae_title, self.network, self.subscriber)
        if not any(who) and not self.claims and not self.anyone:
            raise ValueError("names nobody: anyone = true is for everybody")
        if self.anyone and (any(who) or self.claims):
            raise ValueError("anyone, and somebody in particular, do not go together")
        if any(not values for values in self.claims.values()):
            raise ValueError("claims: a claim without values holds for nobody")
        return self

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        beyond = self.operations - {Right.SEARCH, Right.RETRIEVE}
        if self.studies is not None and beyond:
            raise ValueError(f"studies: cannot be said for {', '.join(sorted(beyond))}: make it two rules")
        if self.subscriber is not None and self.operations != {Right.EVENTS}:
            raise ValueError("subscriber: can have events alone")
        return self


class Subscriber(Section):
    """A user of NATS, in an account of its own, who hears of what arrives; rules say of which inboxes."""

    name: OriginName
    """The user's name."""
    password: Secret | None = Field(default=None, repr=False)
    """His password."""
    password_file: Path | None = None
    """A file that holds it; one of the two is required."""
    types: EventTypes = STUDY_EVENTS
    """Which events he gets."""

    @model_validator(mode="after")
    def _has_a_password(self) -> Self:
        if (self.password is None) == (self.password_file is None):
            raise ValueError("either password or password_file says by what he is known")
        return self

    @property
    def secret(self) -> str:
        """His password.

        Raises:
            ValueError: its file cannot be read, or holds none; quotes nothing of it.
        """
        return _written(self.password, self.password_file) or ""


class Access(Section):
    """Who may do what. Without a rule everybody may do all of it, and everything listens on loopback only."""

    rules: tuple[Rule, ...] = ()
    """Who may do what."""
    oidc: tuple[Oidc, ...] = ()
    """OpenID Connect providers whose tokens are taken."""
    subscribers: tuple[Subscriber, ...] = ()
    """Users of NATS that hear of what arrives."""
    signing_key: Secret | None = Field(default=None, repr=False)
    """By which services know each other's decisions on the bus; `isthmus up` makes and keeps one."""
    signing_key_file: Path | None = None
    """A file that holds it, for services that are run alone; with another one jobs that wait are refused, and
    API keys are to be made anew."""
    link_key: Secret | None = Field(default=None, repr=False)
    """By which links to studies are signed (`isthmus link`); `isthmus up` makes and keeps one."""
    link_key_file: Path | None = None
    """A file that holds it; another one ends all links."""
    operator_key: Secret | None = Field(default=None, repr=False)
    """What the `isthmus` command shows the faces: it may do all; `isthmus up` makes one at every start."""
    operator_key_file: Path | None = None
    """A file that holds it, for services that are run alone."""
    metrics_key: Secret | None = Field(default=None, repr=False)
    """What Prometheus shows services beyond loopback: it may read `/metrics`, and nothing else."""
    metrics_key_file: Path | None = None
    """A file that holds it."""

    @model_validator(mode="after")
    def _keys_are_said_once(self) -> Self:
        for name in ("signing_key", "link_key", "operator_key", "metrics_key"):
            require_said_once(self, name)
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for setting, names in (
            ("subscribers", [subscriber.name for subscriber in self.subscribers]),
            ("oidc", [provider.issuer for provider in self.oidc]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"access.{setting}: {name!r} is there twice")
        known = {subscriber.name for subscriber in self.subscribers}
        for number, rule in enumerate(self.rules):
            if rule.subscriber is not None and rule.subscriber not in known:
                raise ValueError(f"access.rules[{number}].subscriber: {rule.subscriber!r} is no subscriber")
        return self

    @property
    def is_open(self) -> bool:
        """Whether there are no rules: everybody may do everything."""
        return not self.rules

    @property
    def signing_secret(self) -> str | None:
        """The key by which services know each other's decisions; None where there is none.

        Raises:
            ValueError: its file cannot be read, or holds none; quotes nothing of it.
        """
        return _written(self.signing_key, self.signing_key_file)

    @property
    def link_secret(self) -> str | None:
        """The key of links; None where there is none.

        Raises:
            ValueError: its file cannot be read, or holds none; quotes nothing of it.
        """
        return _written(self.link_key, self.link_key_file)

    @property
    def operator_secret(self) -> str | None:
        """What the operator shows; None where he is not known.

        Raises:
            ValueError: its file cannot be read, or holds none; quotes nothing of it.
        """
        return _written(self.operator_key, self.operator_key_file)

    @property
    def metrics_secret(self) -> str | None:
        """What may read `/metrics`; None where there is none.

        Raises:
            ValueError: its file cannot be read, or holds none; quotes nothing of it.
        """
        return _written(self.metrics_key, self.metrics_key_file)
