"""What the processes that are measured are told, and what they tell, as JSON on their standard streams."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

INSTANCES = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""The Accept of a retrieve that takes each instance as it is held (PS3.18 8.7.3.5.2)."""
JSON = "application/dicom+json"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One client of the load generator: what it requests, on a connection of its own."""

    url: str
    accept: str = INSTANCES
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()
    """Part 10 files; with any, they are stored (PS3.18 10.5), else it is a GET."""
    body: str | None = None
    """A file that is posted as it is; the headers tell what it is."""
    repeat: int = 1
    """How often it asks, one after the other on the same connection."""
    others: Sequence[str] = ()
    """URLs that it asks for after the first one, on the same connection, before it does so again."""
    after: int | None = None
    """Begin when the first byte of this other client's body is there, not at once."""

    @property
    def urls(self) -> Sequence[str]:
        """All that it asks for, in this order."""
        return [self.url, *self.others] * self.repeat


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one request got."""

    status: int
    seconds: float
    """From before the connection was made, or from the request on one that was open, to the last byte."""
    first_byte: float
    """To the first byte of the body."""
    size: int
    """Of the body."""
    parts: int
    """Of a multipart body, items of a JSON array, instances stored of a JSON object."""
    whole: bool
    """The body came to the end of its framing, and a multipart body has its closing delimiter."""

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Self:
        """The answer of this JSON."""
        return cls(**values)  # type: ignore[arg-type]  # written by asdict

    def to_json(self) -> Mapping[str, object]:
        """What `from_json` takes."""
        return asdict(self)
