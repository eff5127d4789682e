"""What a listing says of a study: which objects there are, and whether they are the same as before."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from isthmus.common.blobs import InBucket, bucket_key
from isthmus.common.blobs.store import ListedBlob
from isthmus.common.config import S3Origin
from isthmus.common.config.key_pattern import KeyPattern, Place


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that is an instance, by its key."""

    place: Place
    listed: ListedBlob

    def key_in(self, origin: S3Origin) -> str:
        """Give the key by which blob refs name it."""
        there = InBucket(origin.name, self.listed.etag, self.listed.key)
        return bucket_key(self.place.study, self.place.series, self.place.instance, there)


def candidates(pattern: KeyPattern, listed: Iterable[ListedBlob]) -> Iterator[Candidate]:
    """Give those of the objects whose keys are of the pattern."""
    for one in listed:
        place = pattern.place_of(one.key)
        if place is not None:
            yield Candidate(place, one)


def listing_digest(found: Iterable[Candidate]) -> str:
    """Name what was listed of a study: where it is the same, nothing of it need be read again."""
    digest = hashlib.sha256()
    for one in sorted(found, key=lambda one: one.listed.key):
        digest.update(f"{one.listed.key}\n{one.listed.etag}\n{one.listed.size}\n".encode())
    return digest.hexdigest()
