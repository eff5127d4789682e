"""What each service may read, write, delete and list in the bucket: a key of its own for each.

By the first part of the keys (`keys`): whoever has stolen the key of a service reaches what that reaches, and
nothing else.
"""

from dataclasses import dataclass
from typing import Final

HELD: Final = "held"
MANIFESTS: Final = "manifests"
DERIVED: Final = "derived"
INBOX: Final = "inbox"
CONTENTS: Final = "contents"
SPOOL: Final = "spool"
ALL: Final = (HELD, MANIFESTS, DERIVED, INBOX, CONTENTS, SPOOL)


@dataclass(frozen=True, slots=True)
class BlobRights:
    """What a service may do with the blobs below these prefixes; all may see that the bucket is there.

    Attributes:
        reads: it may read them.
        writes: it may write and delete them.
        lists: it may list them.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


SERVICES: Final = {
    "qido": BlobRights(reads=(MANIFESTS,)),
    "wado": BlobRights(
        reads=(HELD, MANIFESTS, DERIVED, INBOX, CONTENTS),
        # A manifest that names what is no longer there is deleted by who finds that out.
        writes=(DERIVED, MANIFESTS),
        lists=(HELD, INBOX),
    ),
    # Whose a study in an inbox is that somebody deletes, the audit records.
    "stow": BlobRights(reads=(SPOOL, INBOX), writes=(SPOOL,), lists=(SPOOL, INBOX)),
    "scp": BlobRights(
        reads=(HELD, MANIFESTS, DERIVED, INBOX, CONTENTS),
        # What a C-MOVE of ours brings is held by it, in the name of the worker that asked.
        writes=(HELD, MANIFESTS, DERIVED, INBOX, SPOOL),
        lists=(HELD, INBOX),
    ),
    "dimse-scu": BlobRights(
        reads=(HELD, MANIFESTS, DERIVED, INBOX, SPOOL),
        writes=(HELD, MANIFESTS, DERIVED),
        lists=(HELD, MANIFESTS, DERIVED),
    ),
    "web-scu": BlobRights(
        reads=ALL,
        writes=(HELD, MANIFESTS, DERIVED, INBOX, CONTENTS),
        lists=(HELD, MANIFESTS, DERIVED, INBOX, CONTENTS),
    ),
    "arrivals": BlobRights(
        reads=(INBOX, CONTENTS, SPOOL),
        writes=(INBOX, CONTENTS, DERIVED, SPOOL),
        lists=(INBOX, CONTENTS, DERIVED),
    ),
}
"""Of each service, by its name."""
