"""What is called by an AE title under which there is nothing."""

from typing import ClassVar, Final, Literal

from isthmus.common.config import Origin
from isthmus.common.config.origins import Protocol


class Nowhere(Origin):
    """No origin: who calls it is rejected, though not before it is known who he is."""

    RESERVED: ClassVar[frozenset[str]] = frozenset()

    name: Literal[""] = ""
    protocol: Literal[Protocol.INBOX] = Protocol.INBOX


NOWHERE: Final = Nowhere(ae_title="NOWHERE")
