"""Whether what arrived is all that is wanted."""

from isthmus.common.errors import Incomplete, NoSuchObject, NotDelivered
from isthmus.common.messages import BlobRef, Lacking, MissingInstance, Retrieve, RetrieveDone


def is_wanted(one: BlobRef | MissingInstance, wanted: Retrieve) -> bool:
    """Tell whether an instance belongs to what is wanted of its study."""
    return wanted.series in (None, one.series_instance_uid) and wanted.instance in (
        None,
        one.sop_instance_uid,
    )


def lacking_of(lacking: Lacking, wanted: Retrieve) -> Lacking | None:
    """Give what lacks of what is wanted; an instance is there or is not: nothing lacks of it."""
    if wanted.instance is not None:
        return None
    missing = tuple(one for one in lacking.missing if is_wanted(one, wanted))
    # Those without a name may be of another series, but nobody knows.
    return Lacking(missing, lacking.failure, lacking.unnamed) if missing or lacking.unnamed else None


def check_whole(done: RetrieveDone, wanted: Retrieve, seen: set[str], told: Lacking | None) -> None:
    """Raise what stands against calling it whole.

    Args:
        done: how it ended.
        wanted: what is to be whole.
        seen: the SOP Instance UIDs that arrived.
        told: what the reader knew before the first instance: that may lack.

    Raises:
        NoSuchObject: the origin has nothing of it.
        OriginError: nothing arrived, and this is why.
        Incomplete: something arrived, and more lacks than the reader was told.
    """
    if wanted.instance is not None and seen:
        return
    missing = [
        one.sop_instance_uid
        for one in done.missing
        if is_wanted(one, wanted) and one.sop_instance_uid not in seen
    ]
    if not seen:
        _raise_why_nothing(done, wanted, missing)
    known = {one.sop_instance_uid for one in told.missing} if told else set()
    news = [uid for uid in missing if uid not in known]
    # Those without a name may be of another series, but nobody knows.
    lacking = len(news) + max(0, done.unnamed - (told.unnamed if told else 0))
    if lacking:
        detail = f"{lacking} of {len(seen) + lacking} instances lack"
        if done.failure is not None:
            detail = f"{detail}: {done.failure.detail}"
        raise Incomplete(detail, origin=wanted.origin, missing=news)
    if done.unlisted or (done.failure is not None and not done.missing):
        # The failure is not that of what was told: what came may not be all.
        detail = done.failure.detail if done.failure is not None else "Nobody knows whether more lacks"
        raise Incomplete(detail, origin=wanted.origin, missing=())


def _raise_why_nothing(done: RetrieveDone, wanted: Retrieve, missing: list[str]) -> None:
    if done.failure is not None:
        raise done.failure.error()
    if missing or done.unnamed:
        raise NotDelivered("The origin lists what is wanted, but sent nothing of it", origin=wanted.origin)
    raise NoSuchObject(f"{wanted.origin!r} has no such object")
