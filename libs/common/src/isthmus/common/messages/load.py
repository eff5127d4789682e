"""What the processes of the faces tell each other of the requests that they are at."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """How many requests each client has under way at one process."""

    process: str
    """A random id."""
    running: Mapping[str, int]
    """By what a client is counted by: `address:10.1.0.7`, `principal:key:ai`. Who has none is not there."""
