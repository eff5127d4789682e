"""What of the settings this service uses."""

from dataclasses import dataclass
from typing import Self

from isthmus.common.config import DimseOrigin, Origin, Settings
from isthmus.common.config.arriving import Caller
from isthmus.scp.doors import Door, doors
from isthmus.scp.limits import AssociationLimits


@dataclass(frozen=True, slots=True)
class ScpSettings:
    """Who we are, who may store, and where."""

    ae_title: str
    doors: tuple[Door, ...]
    """Where we listen."""
    everywhere: str | None
    """The AE title of all origins as one, if they have one."""
    origins: tuple[Origin, ...]
    dimse_origins: tuple[DimseOrigin, ...]
    callers: tuple[Caller, ...]
    limits: AssociationLimits
    max_pdu: int
    """Bytes of a P-DATA-TF PDU that we announce to take."""
    idle_seconds: float
    """Of silence, before an association is aborted."""
    max_receiving_bytes: int
    store: str | None
    """The name of the origin that takes what is stored at all of them as one."""
    base_url: str
    """Where clients reach the gateway, for the links in events."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take them from all settings.

        Raises:
            SettingsError: a certificate cannot be used.
        """
        return cls(
            ae_title=settings.scp.ae_title,
            doors=doors(settings.scp),
            everywhere=settings.dicomweb.ae_title,
            origins=settings.origins,
            dimse_origins=settings.dimse_origins,
            callers=settings.scp.callers,
            limits=AssociationLimits.of(settings.scp),
            max_pdu=settings.scp.max_pdu,
            idle_seconds=settings.scp.idle_seconds,
            max_receiving_bytes=settings.scp.max_receiving_bytes,
            store=settings.dicomweb.store,
            base_url=settings.gateway.base_url,
        )

    @property
    def destination_of_all(self) -> Origin | None:
        """The origin that takes what is stored at all of them as one: the one set so, or the only one."""
        if self.store is None and len(self.origins) == 1:
            return self.origins[0]
        return next((origin for origin in self.origins if origin.name == self.store), None)
