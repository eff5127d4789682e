"""What is made from instances: for all who want it at about the same time, or once, and kept in S3."""

from typing import Final

from isthmus.common.blobs import BlobStore
from isthmus.common.derived.frame_indexes import FrameIndexes
from isthmus.common.derived.kept import Kept
from isthmus.common.threads import Threads
from isthmus.wado.sources.described import Described
from isthmus.wado.sources.series_metadata import SeriesMetadata


class Derived:
    """All that this process makes from instances."""

    def __init__(self, blobs: BlobStore, threads: Threads) -> None:
        """Make it in `threads`."""
        self.described: Final = Described(blobs, threads)
        self.series_metadata: Final = SeriesMetadata(blobs, threads, self.described)
        self.frame_indexes: Final = FrameIndexes(blobs, threads)
        self.kept: Final = Kept(blobs)
