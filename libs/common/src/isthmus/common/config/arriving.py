"""What arrives: where its senders are, when a study is there, and where it goes then."""

from enum import StrEnum
from pathlib import Path
from string import ascii_uppercase, digits
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from isthmus.common.config.kinds import AETitle, ExactUrl, Host, OriginName, Port, Section
from isthmus.common.config.signing import signing_keys
from isthmus.common.config.tls import PeerTls

MOST_CODE: Final = 16
"""Characters of a CS (PS3.5 6.2)."""
_CODE: Final = frozenset(f"{ascii_uppercase}{digits}_ ")


class Caller(Section):
    """A DIMSE client that takes associations too: where the results of its Storage Commitment go."""

    ae_title: AETitle
    """Its calling AE title, by which we call it."""
    host: Host
    """Where it takes the results when its own association has ended."""
    port: Port
    """Likewise."""
    tls: PeerTls | None = None
    """TLS with it there; without this table everything is in clear."""

    @model_validator(mode="before")
    @classmethod
    def _says_nothing_of_rights(cls, data: object) -> object:
        rights = {"network", "operations", "inboxes", "origins"}
        said = sorted(rights.intersection(data if isinstance(data, dict) else ()))
        if said:
            raise ValueError(
                f"{', '.join(said)}: who may do what is said by [[access.rules]]; here is only where the"
                " results of Storage Commitment go: ae_title, host, port, tls"
            )
        return data


class ForwardUnit(StrEnum):
    """What is sent at a time."""

    STUDY = "study"
    """A study that has arrived, and later what came since."""
    INSTANCE = "instance"
    """Each instance as soon as it is here."""


def _modality(text: str) -> str:
    code = text.strip().upper()
    if not 1 <= len(code) <= MOST_CODE or not set(code) <= _CODE:
        raise ValueError(
            f"{text!r} is no Modality: 1 to 16 letters, digits, blanks or _, as PS3.5 6.2 has CS"
        )
    return code


Modality = Annotated[str, AfterValidator(_modality)]
"""In capitals, as the standard has it; `ct` is the same."""
Pattern = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
"""With `*` and `?` as in DICOM's wild card matching (PS3.4 C.2.2.2.4); letters of either case are alike."""


class Forward(Section):
    """A rule: what arrives so, goes there. All that it names has to match."""

    to: Annotated[tuple[OriginName, ...], Field(min_length=1)]
    """Origins; each gets it whatever becomes of the others."""
    each: ForwardUnit = ForwardUnit.STUDY
    """What is sent at a time."""
    inbox: OriginName | None = None
    """Where it arrives; without it anywhere."""
    modality: tuple[Modality, ...] = ()
    """Only instances of these are sent; without any all."""
    calling_ae_title: Pattern | None = None
    """Of one of those who sent something of it over DIMSE, with `*` and `?`."""
    study_description: Pattern | None = None
    """Likewise with `*` and `?`; letters of either case are alike in all of these."""


def _secrets(text: str) -> str:
    signing_keys(text)
    return text


EventTypes = Annotated[
    frozenset[Literal["instance.stored", "study.arrived", "study.amended"]], Field(min_length=1)
]
STUDY_EVENTS: Final[EventTypes] = frozenset({"study.arrived", "study.amended"})


class Webhook(Section):
    """A URL that gets events by POST."""

    name: OriginName
    """By which commands, metrics and logs call it."""
    url: ExactUrl = Field(repr=False)
    """It may hold a user and a password, which are shown nowhere."""
    secret: Annotated[str, AfterValidator(_secrets)] | None = Field(default=None, repr=False)
    """The key of the signature (HMAC-SHA256); while it is replaced two, with a blank between."""
    secret_file: Path | None = None
    """A file that holds the same, read anew for each attempt; one of the two is required."""
    types: EventTypes = STUDY_EVENTS
    """Which events it gets."""
    origins: Annotated[frozenset[OriginName], Field(min_length=1)] | None = None
    """Of which inboxes; without it of all."""
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 15.0
    """For one attempt, from connecting to the status of the answer."""
    give_up_hours: Annotated[float, Field(gt=0, le=240)] = 24.0
    """After so long without success an event becomes a dead letter."""

    @model_validator(mode="after")
    def _has_a_secret(self) -> Self:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("either secret or secret_file says what signs it")
        return self


class Arrivals(Section):
    """When studies have arrived, and what follows."""

    quiet_seconds: Annotated[float, Field(gt=0, le=86_400)] = 30.0
    """How long nothing of a study may come before it has arrived."""
    max_attempts: Annotated[int, Field(ge=1, le=1000)] = 10
    """How often forwarding is tried at a destination that answers, before it becomes a dead letter."""
    forward: tuple[Forward, ...] = ()
    """Rules: what arrives so, goes there."""
    webhooks: tuple[Webhook, ...] = ()
    """URLs that get events by POST: docs/webhooks.md."""

    @model_validator(mode="after")
    def _webhooks_differ(self) -> Self:
        names = [webhook.name for webhook in self.webhooks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two webhooks are named {name!r}")
        return self
