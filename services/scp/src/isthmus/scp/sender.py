"""Who is at the other end of an association."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import uuid4

from pynetdicom.association import Association

from isthmus.common.auth import Principal, Right
from isthmus.common.config import Inbox, Origin
from isthmus.common.dimse.identified import UserIdentity
from isthmus.scp.callers import Calling, principal_of


@dataclass(slots=True)
class Sender:
    """One association, and what was found out about what comes over it."""

    calling: Calling
    origin: Origin | None
    """Which it called, or `AllOrigins`; None: ourselves."""
    principal: Principal = field(init=False)
    """Who it is, by user identity too once that is verified."""
    shown: UserIdentity | None = None
    """What its user has shown to be known, once that is verified."""
    verified: float = 0.0
    """When that held last (monotonic)."""
    sends_for: tuple[str, ...] = ()
    """The origins as which it may send to ourselves what a C-MOVE of ours asked for."""
    association: str = field(default_factory=lambda: uuid4().hex)
    """A random id."""
    is_gone: bool = False
    """Whether its connection is closed: nobody hears an answer."""
    wanted: set[tuple[str, str]] = field(default_factory=set)
    """Origin and Study Instance UID of what somebody asked for."""
    accepted: float | None = None
    """When its association was accepted (monotonic); None: it was not."""
    brought: set[str] = field(default_factory=set)
    """Study Instance UIDs of what came into the inbox."""

    def __post_init__(self) -> None:
        """Take what is known so far."""
        self.principal = principal_of(self.calling)

    @property
    def inbox(self) -> Inbox | None:
        """The inbox that it called; None where it called anything else."""
        return self.origin if isinstance(self.origin, Inbox) else None

    @property
    def told_as(self) -> str | None:
        """The name in metrics of the origin that it called; None where it called ourselves, or nowhere."""
        return None if self.origin is None else self.origin.name or None

    @property
    def calling_ae_title(self) -> str:
        """Its own AE title."""
        return self.calling.calling_ae_title


SenderOf: TypeAlias = Callable[[Association], Sender]
"""Tells who is at the other end of an association."""
IsAllowed: TypeAlias = Callable[[Sender, Right, str], bool]
"""Tells whether somebody may do something, which is named as the DIMSE service; who may not is recorded."""
