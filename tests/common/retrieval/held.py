"""What a test of the catalogue holds."""

import time

from isthmus.common.blobs import BlobStore, held_key
from isthmus.common.messages import BlobRef, Failure, MissingInstance
from isthmus.common.retrieval import HeldInstance, HeldSeries, Manifest

STUDY, SERIES, OTHER_SERIES = "1.2", "1.2.3", "1.2.4"
CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
REFUSED = Failure("OperationFailed", "no", "pacs", 0xA900, "C-GET")


def blob(number: int, series: str = SERIES, *, origin: str = "pacs", digest: str = "d") -> BlobRef:
    """An instance; nothing lies in S3."""
    uid = f"{series}.{number}"
    key = held_key(origin, STUDY, series, uid, digest)
    return BlobRef("isthmus", key, 1, STUDY, series, uid, CT, EXPLICIT)


def missing(number: int, series: str = SERIES) -> MissingInstance:
    return MissingInstance(series, f"{series}.{number}")


def held_series(
    *blobs: BlobRef,
    series: str = SERIES,
    missing: tuple[MissingInstance, ...] = (),
    failure: Failure | None = None,
    age: float = 0.0,
    listed: int | None = None,
) -> HeldSeries:
    """A whole series, unless more is `listed`, that was checked `age` seconds ago."""
    at = time.time() - age
    return HeldSeries(
        series,
        tuple(HeldInstance(one, at) for one in blobs),
        listed=len(blobs) + len(missing) if listed is None else listed,
        checked=at,
        missing=missing,
        failure=failure,
        tried=at if missing else 0.0,
    )


def manifest(origin: str, *series: HeldSeries, age: float | None = 0.0) -> Manifest:
    """A whole study that was checked `age` seconds ago, or no whole study."""
    return Manifest(origin, STUDY, series, None if age is None else time.time() - age)


async def put(blobs: BlobStore, *there: BlobRef) -> None:
    """Put something under the keys of instances."""
    for one in there:
        await blobs.put(one.key, b"x")
