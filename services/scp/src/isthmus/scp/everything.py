"""All origins as one: what `/dicomweb` is to HTTP clients."""

from typing import ClassVar, Literal

from isthmus.common.config import Origin
from isthmus.common.config.origins import Protocol


class AllOrigins(Origin):
    """All origins as one."""

    RESERVED: ClassVar[frozenset[str]] = frozenset()

    name: Literal["all"] = "all"
    protocol: Literal[Protocol.DICOMWEB] = Protocol.DICOMWEB
