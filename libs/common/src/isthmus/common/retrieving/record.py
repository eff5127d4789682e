"""What a job leaves behind: the manifest of what is held now, and what the origin says there should be."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from isthmus.common.messages import BlobRef, Failure, MissingInstance
from isthmus.common.retrieval.manifest import HeldInstance, HeldSeries, Manifest
from isthmus.common.retrieving.job import Job
from isthmus.common.retrieving.listing import number_of
from isthmus.common.retrieving.series import Series, Standing

Came = Mapping[str, BlobRef]
"""What has come of a series, by SOP Instance UID."""


def manifest_after(job: Job) -> Manifest:
    """Write down what is held when a job has ended, however it ended."""
    before = job.manifest or Manifest(job.wanted.origin, job.wanted.study)
    came: dict[str, dict[str, BlobRef]] = {}
    for blob in job.delivery.blobs.values():
        came.setdefault(blob.series_instance_uid, {})[blob.sop_instance_uid] = blob
    surveyed = [_surveyed(job, one, came.pop(one.uid, {})) for one in job.series]
    others = {one.series_instance_uid: one for one in before.series if not _was_asked_for(job, one)}
    for uid, blobs in came.items():
        # What came though nobody asked for it, or before the origin was asked for its series.
        others[uid] = _unlisted(job, others.get(uid, HeldSeries(uid, ())), blobs)
    after = (*surveyed, *others.values())
    kept = tuple(one for one in after if one.instances or one.missing or one.listed is not None)
    return Manifest(before.origin, before.study, kept, _checked(job, before, after))


def gone_from(before: Manifest | None, after: Manifest) -> list[BlobRef]:
    """Give the instances that have left the manifest.

    Not those that came with other bytes: whoever reads now may have been told of the earlier ones.
    """
    there = {held.blob.sop_instance_uid for one in after.series for held in one.instances}
    series = before.series if before is not None else ()
    return [held.blob for one in series for held in one.instances if held.blob.sop_instance_uid not in there]


def _was_asked_for(job: Job, series: HeldSeries) -> bool:
    return job.surveyed is not None and job.wanted.series in (None, series.series_instance_uid)


def _checked(job: Job, before: Manifest, after: tuple[HeldSeries, ...]) -> float | None:
    """Tell when the origin last listed just these series."""
    if job.surveyed is not None and job.wanted.series is None:
        return job.surveyed if all(one.is_whole for one in after) else None
    same = {one.series_instance_uid for one in before.series} == {one.series_instance_uid for one in after}
    return before.checked if same else None


def _surveyed(job: Job, series: Series, came: Came) -> HeldSeries:
    """Describe a series that the origin lists."""
    before = series.before
    if series.listing is not None:
        lacks = [one.missing for one in series.lacking(job.delivery.received)]
        missing = [
            one
            for one in lacks
            # What was remembered, and was asked for once more in vain, stays so.
            if one.sop_instance_uid in job.refused or one in before.missing
        ]
        # Where something lacks that may come yet, nobody can call it whole.
        beyond = series.beyond_the_list(len(came), len(lacks))
        whole = len(missing) == len(lacks) and not beyond
        instances = _instances(job, before, came, series)
        listed = number_of(series.listing) if whole else None
        described = _described(job, before, instances, listed, series.listed_at, missing)
        return replace(described, counted=series.listed_as.count if whole else None)
    if series.standing is Standing.CONFIRMED and not _adds(before, came):
        instances = _instances(job, before, came)
        missing = _still_missing(before, came)
        described = _described(job, before, instances, before.listed, job.surveyed or 0.0, missing)
        return replace(described, counted=series.listed_as.count)
    return _unlisted(job, before, came)


def _unlisted(job: Job, before: HeldSeries, came: Came) -> HeldSeries:
    """Describe a series whose instances the origin was not asked for: what is known of it, and what came."""
    missing = _still_missing(before, came)
    alone = job.alone
    if alone is not None and alone.sop_instance_uid in job.refused and alone.missing not in missing:
        missing.append(alone.missing)
    listed = None if _adds(before, came) or job.gone else before.listed
    described = _described(job, before, _instances(job, before, came), listed, before.checked, missing)
    return replace(described, counted=before.counted)


def _instances(
    job: Job, before: HeldSeries, came: Came, series: Series | None = None
) -> tuple[HeldInstance, ...]:
    """Give what was held and is still there, as far as is known, and what came."""
    held: dict[str, HeldInstance] = {}
    for one in before.instances:
        uid = one.blob.sop_instance_uid
        if uid not in job.gone and (series is None or series.is_there(uid)):
            held[uid] = HeldInstance(one.blob, job.seen.get(uid, one.fetched))
    for uid, blob in came.items():
        if uid not in held or held[uid].blob.key != blob.key:
            held[uid] = HeldInstance(blob, job.began)
    return tuple(held.values())


def _still_missing(before: HeldSeries, came: Came) -> list[MissingInstance]:
    return [one for one in before.missing if one.sop_instance_uid not in came]


def _adds(before: HeldSeries, came: Iterable[str]) -> bool:
    """Tell whether something came that the origin did not list before."""
    known = {one.blob.sop_instance_uid for one in before.instances}
    known.update(one.sop_instance_uid for one in before.missing)
    return not known.issuperset(came)


def _described(
    job: Job,
    before: HeldSeries,
    instances: tuple[HeldInstance, ...],
    listed: int | None,
    checked: float,
    missing: list[MissingInstance],
) -> HeldSeries:
    uid = before.series_instance_uid
    if not missing:
        return HeldSeries(uid, instances, listed, checked)
    refused = [job.refused[one.sop_instance_uid] for one in missing if one.sop_instance_uid in job.refused]
    failure = Failure.of(refused[0]) if refused else before.failure
    # What was not asked for now is to be asked for when its own time has come.
    tried = time.time() if len(refused) == len(missing) else before.tried
    return HeldSeries(uid, instances, listed, checked, tuple(missing), failure, tried)
