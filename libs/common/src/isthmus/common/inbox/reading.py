"""A study of an inbox as it is now: its record, and the list that this record names."""

from isthmus.common.errors import BlobMissing
from isthmus.common.inbox.contents import Contents, ContentsStore
from isthmus.common.inbox.state import States, Versioned


async def read_study(
    states: States, contents: ContentsStore, origin: str, study: str
) -> tuple[Versioned, Contents]:
    """Read both, so that they belong together; an empty record and list where there is no such study.

    Raises:
        BusUnavailable: NATS is away.
        BlobMissing: the list is lost.
        StoreUnavailable: S3 is away.
    """
    found = await states.get(origin, study)
    while True:
        try:
            return found, await contents.load(found.state.contents)
        except BlobMissing:
            # The list was replaced between the two reads; if it was not, it is lost.
            again = await states.get(origin, study)
            if again.revision == found.revision:
                raise
            found = again
