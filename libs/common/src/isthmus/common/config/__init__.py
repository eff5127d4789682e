"""The settings: one TOML file and the environment over it, checked before anything starts."""

from isthmus.common.config.kinds import ListenAddress
from isthmus.common.config.load import load_settings
from isthmus.common.config.origins import Conflicts, DimseOrigin, Inbox, Origin, Protocol, RetrieveMethod
from isthmus.common.config.quirks import Quirk
from isthmus.common.config.settings import Settings

__all__ = [
    "Conflicts",
    "DimseOrigin",
    "Inbox",
    "ListenAddress",
    "Origin",
    "Protocol",
    "Quirk",
    "RetrieveMethod",
    "Settings",
    "load_settings",
]
