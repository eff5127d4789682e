"""S3 keys: the one place that makes names into them.

A UID of the grammar `[0-9A-Za-z._-]{1,128}` stays as it is. PACS hold worse (spaces, slashes, nothing at
all): any other character is percent-encoded as UTF-8, so that no UID and no name can mean more than itself,
and what would be too long for a file system is hashed. Two names never share a key.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

_PLAIN = re.compile(r"[0-9A-Za-z._-]{1,128}", re.ASCII)
_BUCKETS: Final = "buckets/"
_LONGEST = 200  # MinIO makes a file name of each segment; those end at 255 bytes


def held_key(origin: str, study: str, series: str, instance: str, digest: str) -> str:
    """Where an instance lies that an origin sent.

    Args:
        origin: its name.
        study: Study Instance UID.
        series: Series Instance UID.
        instance: SOP Instance UID.
        digest: SHA-256 of the bytes, in hex: what differs is never written over.
    """
    return f"held/{_path(origin, study, series, instance)}{segment(digest)}.dcm"


def held_prefix(origin: str, study: str, series: str | None = None) -> str:
    """The beginning of the keys of all instances of a study, or of one of its series."""
    return f"held/{_path(origin, study, series)}"


def manifest_key(origin: str, study: str) -> str:
    """Where it is written what is held of a study."""
    return f"manifests/{_path(origin, study)}manifest"


def inbox_key(origin: str, study: str, series: str, instance: str, digest: str, life: int = 0) -> str:
    """Where an instance lies that was sent to an inbox: this is the only copy, so that no cache clears it.

    `life` is how often its study had been deleted: what was written after a deletion is not taken with it.
    """
    name = f"{digest}.{life}" if life else digest
    return f"inbox/{_path(origin, study, series, instance)}{segment(name)}.dcm"


def digest_of_key(key: str) -> str:
    """Give the digest in the key of an instance in an inbox."""
    return key.rpartition("/")[2].partition(".")[0]


def life_of_key(key: str) -> int:
    """Give the life in the key of an instance in an inbox."""
    _, _, life = key.rpartition("/")[2].removesuffix(".dcm").partition(".")
    return int(life) if life.isdecimal() else 0


def inbox_prefix(origin: str, study: str, series: str | None = None, instance: str | None = None) -> str:
    """The beginning of the keys of all instances in an inbox of a study, of a series, or with one UID."""
    return f"inbox/{_path(origin, study, series, instance)}"


def contents_key(origin: str, study: str, digest: str) -> str:
    """Where it is written what a study in an inbox consists of; `digest` tells one list from another."""
    return f"{contents_prefix(origin, study)}{segment(digest)}"


def contents_prefix(origin: str | None = None, study: str | None = None) -> str:
    """The beginning of the keys of all that is written of what a study consists of, or all studies do."""
    return f"contents/{_path(origin, study)}"


@dataclass(frozen=True, slots=True)
class InBucket:
    """Where an instance lies in the bucket of an S3 origin."""

    origin: str
    version: str
    """The ETag of what was listed: under the same key something else may lie by now."""
    key: str
    """In that bucket."""


def bucket_key(study: str, series: str, instance: str, there: InBucket) -> str:
    """How an instance in the bucket of an S3 origin is called in a blob ref.

    It names the content, as all keys do: what is made from it is kept under names that are made of this one.
    In our own bucket nothing lies under such a key; `BlobStore` reads it where it is.
    """
    names = _path(there.origin, study, series, instance)
    return f"{_BUCKETS}{names}{quote(there.version, safe='')}/{quote(there.key, safe='')}"


def in_bucket(key: str) -> InBucket | None:
    """Tell where an instance with this key lies; None if it is in our own bucket."""
    if not key.startswith(_BUCKETS):
        return None
    _, origin, _, _, _, version, there = key.split("/")
    return InBucket(origin, unquote(version), unquote(there))


def derived_key(origin: str, study: str, series: str, name: str) -> str:
    """Where something lies that was made from a series; `name` holds the digest of what it was made from."""
    return f"{derived_prefix(origin, study, series)}{segment(name)}"


def derived_prefix(origin: str, study: str, series: str | None = None) -> str:
    """The beginning of the keys of all that was made from a study, or from one of its series."""
    return f"derived/{_path(origin, study, series)}"


def series_derived_prefix(held: str) -> str:
    """The beginning of the keys of all that was made from the series of an instance with this key."""
    _, origin, study, series, *_ = held.split("/")
    return f"derived/{origin}/{study}/{series}/"


def origin_of(held: str) -> str:
    """Give the name of the origin of an instance with this key."""
    return held.split("/")[1]  # names of origins stay as they are


def study_prefixes(origin: str | None = None, study: str | None = None) -> tuple[str, ...]:
    """The beginnings of the keys of all that is kept of a study, of an origin's studies, or of all studies.

    Of these the first is that of the manifests, the second that of the instances.
    """
    return tuple(f"{kind}/{_path(origin, study)}" for kind in ("manifests", "held", "derived"))


def study_of(key: str) -> tuple[str, str] | None:
    """Give the origin and the Study Instance UID in one of these keys; None where they are hashed."""
    parts = key.split("/")
    if len(parts) < 4:
        return None
    origin, study = _name(parts[1]), _name(parts[2])
    return None if origin is None or study is None else (origin, study)


def _name(written: str) -> str | None:
    try:
        name = "" if written == "%" else unquote(written, errors="surrogatepass")
    except UnicodeDecodeError:
        return None
    return name if segment(name) == written else None


def _path(*names: str | None) -> str:
    return "".join(f"{segment(name)}/" for name in names if name is not None)


def spool_key(job: str, n: int) -> str:
    """Where the `n`th instance of a store job lies on its way."""
    return f"{spool_prefix(job)}{n}.dcm"


def spool_prefix(job: str) -> str:
    """The beginning of the keys of everything that belongs to a store job."""
    return f"spool/{segment(job)}/"


def segment(name: str) -> str:
    """Make a name into one segment of a key: of 1 to 200 characters, without `/`, and never `.` or `..`."""
    if _PLAIN.fullmatch(name) and name not in {".", ".."}:
        return name
    encoded = quote(name.encode("utf-8", "surrogatepass"), safe="").replace("~", "%7E") or "%"
    if not encoded.strip("."):
        encoded = encoded.replace(".", "%2E")
    if len(encoded) > _LONGEST:
        # "%s" begins no escape, so a hash is never mistaken for an encoded name.
        return f"%sha256.{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return encoded
