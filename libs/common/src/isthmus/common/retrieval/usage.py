"""How much of each study is held, as S3's own listing tells: also what no manifest names."""

from dataclasses import dataclass

from isthmus.common.blobs import BlobStore, study_of, study_prefixes
from isthmus.common.blobs.store import ListedBlob
from isthmus.common.retrieval.reads import LastReads, Study


@dataclass(slots=True)
class StudyUsage:
    """What lies in S3 of a study of one origin."""

    origin: str
    study: str
    instances: int = 0
    size: int = 0
    """Bytes of its instances, and of what was made from them."""
    modified: float = 0.0
    """When anything of it was written last: seconds since 1970."""
    has_manifest: bool = False
    """Whether its instances can be read, where there are any."""
    last_read: float | None = None
    """Seconds since 1970; None if it was not read for a month."""

    @property
    def is_leftover(self) -> bool:
        """Whether it is what a job that was given up has left: instances that nobody can read.

        What was made from studies of inboxes and buckets is none: their instances lie elsewhere.
        """
        return self.instances > 0 and not self.has_manifest

    @property
    def used(self) -> float:
        """When it was fetched or read last, whichever was later: seconds since 1970."""
        return max(self.modified, self.last_read or 0.0)


async def usage(
    blobs: BlobStore, reads: LastReads, origin: str | None = None, study: str | None = None
) -> list[StudyUsage]:
    """Give all studies of which something is held, or those of an origin, or one of them.

    It takes memory for each study and not for each instance. What lies under a hashed name is left out: no
    client can ask for it.

    Raises:
        StoreUnavailable: S3 does not tell.
        BusUnavailable: NATS does not tell.
    """
    found: dict[Study, StudyUsage] = {}
    manifests, held, derived = study_prefixes(origin, study)
    async for listed in blobs.list(manifests):
        one = _note(found, listed)
        if one is not None:
            one.has_manifest = True
    instance = ""
    async for listed in blobs.list(held):
        one = _note(found, listed)
        # Two blobs of one instance follow each other: the origin has changed it.
        previous, instance = instance, listed.key.rpartition("/")[0]
        if one is not None:
            one.size += listed.size
            one.instances += instance != previous
    async for listed in blobs.list(derived):
        one = _note(found, listed)
        if one is not None:
            one.size += listed.size
    for name, at in (await reads.all()).items():
        if name in found:
            found[name].last_read = at
    return list(found.values())


def _note(found: dict[Study, StudyUsage], listed: ListedBlob) -> StudyUsage | None:
    name = study_of(listed.key)
    if name is None:
        return None
    one = found.get(name)
    if one is None:
        one = found[name] = StudyUsage(*name)
    one.modified = max(one.modified, listed.modified)
    return one
