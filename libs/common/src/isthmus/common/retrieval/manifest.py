"""What is held of a study: its manifest, the one thing that says what a complete copy is."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from isthmus.common.messages import BlobRef, Failure, Lacking, MissingInstance, Retrieve


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """An instance in S3."""

    blob: BlobRef
    fetched: float
    """When the origin sent it, or last listed it by itself: seconds since 1970."""


@dataclass(frozen=True, slots=True)
class HeldSeries:
    """What is held of a series, and what the origin said there should be."""

    series_instance_uid: str
    instances: tuple[HeldInstance, ...]
    listed: int | None = None
    """How many instances the origin listed; None if it was not asked: then this is no whole series."""
    checked: float = 0.0
    """When the origin last listed the same: seconds since 1970."""
    missing: tuple[MissingInstance, ...] = ()
    """What it listed and could not deliver."""
    failure: Failure | None = None
    """Why not."""
    tried: float = 0.0
    """When what is missing was last asked for: seconds since 1970."""
    counted: int | None = None
    """How many instances the origin counted when it was whole; that may be more than it lists, or is true."""

    @property
    def is_whole(self) -> bool:
        """Whether all is here that the origin lists and can deliver."""
        return self.listed is not None and len(self.instances) + len(self.missing) >= self.listed

    @property
    def digest(self) -> str:
        """Name the content: what is made from the same instances has the same name."""
        keys = sorted(held.blob.key for held in self.instances)
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is held of a study of one origin."""

    origin: str
    study: str
    series: tuple[HeldSeries, ...] = ()
    checked: float | None = None
    """When the origin last listed exactly these series; None if it was not asked: this is no whole study."""

    def covers(self, wanted: Retrieve, since: float) -> bool:
        """Tell whether all that is wanted is here, as far as the origin has it and listed it since a time."""
        if wanted.series is None:
            return (
                self.checked is not None
                and self.checked >= since
                and all(one.is_whole and one.checked >= since for one in self.series)
            )
        return any(_covers(one, wanted.instance, since) for one in self._wanted_series(wanted))

    def blobs(self, wanted: Retrieve) -> Iterator[BlobRef]:
        """Give the instances that are wanted."""
        for one in self._wanted_series(wanted):
            for held in one.instances:
                if wanted.instance in (None, held.blob.sop_instance_uid):
                    yield held.blob

    def missing(self, wanted: Retrieve) -> list[MissingInstance]:
        """Give what the origin could not deliver of what is wanted."""
        return [
            missing
            for one in self._wanted_series(wanted)
            for missing in one.missing
            if wanted.instance in (None, missing.sop_instance_uid)
        ]

    def lacking(self, wanted: Retrieve) -> Lacking | None:
        """Say what the origin could not deliver of what is wanted, and why; None if that is nothing."""
        missing = self.missing(wanted)
        if not missing:
            return None
        named = {one.series_instance_uid for one in missing}
        reasons = (
            one.failure for one in self.series if one.series_instance_uid in named and one.failure is not None
        )
        nothing_said = Failure("NotDelivered", "The origin lists it, but did not send it", self.origin)
        return Lacking(tuple(missing), next(reasons, nothing_said))

    def _wanted_series(self, wanted: Retrieve) -> Iterator[HeldSeries]:
        return (one for one in self.series if wanted.series in (None, one.series_instance_uid))


def _covers(series: HeldSeries, instance: str | None, since: float) -> bool:
    whole = series.is_whole and series.checked >= since
    if instance is None:
        return whole
    held = {one.blob.sop_instance_uid: one.fetched for one in series.instances}
    if instance in held:
        return whole or held[instance] >= since
    return whole and any(instance == one.sop_instance_uid for one in series.missing)
