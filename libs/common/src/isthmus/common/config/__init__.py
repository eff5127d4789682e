"""The settings: one TOML file and the environment over it, checked before anything starts."""

from isthmus.common.config.kinds import ListenAddress
from isthmus.common.config.load import load_settings
from isthmus.common.config.origins import (
    Acknowledge,
    Conflicts,
    DicomwebOrigin,
    DimseOrigin,
    Inbox,
    OAuth2,
    Origin,
    Protocol,
    RetrieveMethod,
    S3Origin,
)
from isthmus.common.config.quirks import Quirk
from isthmus.common.config.settings import Settings

__all__ = [
    "Acknowledge",
    "Conflicts",
    "DicomwebOrigin",
    "DimseOrigin",
    "Inbox",
    "ListenAddress",
    "OAuth2",
    "Origin",
    "Protocol",
    "Quirk",
    "RetrieveMethod",
    "S3Origin",
    "Settings",
    "load_settings",
]
