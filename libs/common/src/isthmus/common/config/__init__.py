"""The settings: one TOML file and the environment over it, checked before anything starts."""

from isthmus.common.config.load import load_settings
from isthmus.common.config.quirks import Quirk
from isthmus.common.config.settings import (
    ListenAddress,
    Origin,
    Protocol,
    RetrieveMethod,
    Settings,
)

__all__ = [
    "ListenAddress",
    "Origin",
    "Protocol",
    "Quirk",
    "RetrieveMethod",
    "Settings",
    "load_settings",
]
