"""What was just read of studies, so that of single instances of one not each asks S3 what is held."""

import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from isthmus.common.dicomweb.resource import Resource
from isthmus.common.messages import BlobRef, Retrieve
from isthmus.common.retrieval import Manifest

SECONDS: Final = 30.0
"""After that it is read anew, also so that it is known that the study is still in use."""
STUDIES: Final = 16


@dataclass(frozen=True, slots=True)
class _Read:
    manifest: Manifest
    at: float
    """Seconds since 1970."""


class Recent:
    """The manifests of the studies that were last read; each is as true as when it was read."""

    def __init__(self, fresh_seconds: float) -> None:
        """Know none.

        Args:
            fresh_seconds: For how long what an origin listed is taken to be still so.
        """
        self._fresh_seconds = fresh_seconds
        self._studies: OrderedDict[tuple[str, str], _Read] = OrderedDict()

    def note(self, resource: Resource, manifest: Manifest) -> None:
        """Remember what is held of the study of a resource."""
        self._studies[resource.origin, resource.study] = _Read(manifest, time.time())
        self._studies.move_to_end((resource.origin, resource.study))
        while len(self._studies) > STUDIES:
            self._studies.popitem(last=False)

    def blob(self, resource: Resource, origins: Collection[str]) -> BlobRef | None:
        """Give a single instance, if its study was just read and what is held of it is fresh.

        Args:
            resource: the instance; at `ALL` it may be any origin's.
            origins: where it may be seen.
        """
        read = self._studies.get((resource.origin, resource.study))
        now = time.time()
        if read is None or not read.at <= now < read.at + SECONDS:
            return None
        if read.manifest.origin not in origins:
            return None
        wanted = Retrieve(read.manifest.origin, resource.study, resource.series, resource.instance)
        if not read.manifest.covers(wanted, now - self._fresh_seconds):
            return None
        return next(read.manifest.blobs(wanted), None)

    def forget(self, resource: Resource) -> bool:
        """Forget the study of a resource; tell whether it was remembered."""
        return self._studies.pop((resource.origin, resource.study), None) is not None
