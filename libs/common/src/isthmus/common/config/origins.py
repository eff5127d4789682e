"""The origins: what each kind of them is, and how it is reached."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from isthmus.common.config.kinds import AETitle, CharacterSet, OriginName, Section
from isthmus.common.config.quirks import QuirkName


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
    if protocol in _LATER:
        raise ValueError(f"{str(protocol)!r} is not yet supported")
    if protocol not in KINDS:
        raise ValueError(f"{str(protocol)!r} is no protocol: {' or '.join(KINDS)}")
    return Protocol(str(protocol))


_LATER: Final = (Protocol.DICOMWEB, Protocol.S3)


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
    """Of a PACS, how it is called; of an inbox, the called AE title by which modalities send to it."""
    prefetch: bool = True
    """Whether the rest of a study follows when one of its series is opened."""
    search_seconds: Annotated[float, Field(gt=0, le=3600)] = 15.0
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
    host: Annotated[str, StringConstraints(min_length=1)] = "127.0.0.1"
    """Its name or address."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Where it listens."""
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
    quirks: frozenset[QuirkName] = frozenset()
    """What this origin does badly, and what cannot be found out; see docs/quirks.md."""

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


KINDS: Final[Mapping[Protocol, type[Origin]]] = {Protocol.DIMSE: DimseOrigin, Protocol.INBOX: Inbox}
"""What an origin of each protocol is in the settings."""


def _kind(origin: object) -> str:
    """Tell which of the models an origin is to be read as; what is none of them fails as the usual one."""
    protocol = origin.get("protocol") if isinstance(origin, dict) else getattr(origin, "protocol", None)
    return Protocol.INBOX if protocol == Protocol.INBOX else Protocol.DIMSE


AnyOrigin = Annotated[
    Annotated[DimseOrigin, Tag(Protocol.DIMSE)] | Annotated[Inbox, Tag(Protocol.INBOX)], Discriminator(_kind)
]
