"""S3: our own store, and buckets of others: whether they are there, know us, and let us do what is needed."""

import secrets
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from isthmus.cli.doctor.causes import Cause
from isthmus.cli.doctor.clocks import Clocks
from isthmus.cli.doctor.findings import Side, Subject, Wrong
from isthmus.cli.doctor.named import unusable
from isthmus.cli.doctor.network import Speaks, reach, speaks
from isthmus.cli.doctor.surroundings import Patience, Surroundings
from isthmus.cli.doctor.tls import Place, handshake
from isthmus.common.blobs import BlobStore
from isthmus.common.blobs.rights import SPOOL
from isthmus.common.config import S3Origin
from isthmus.common.config.files import verifying
from isthmus.common.errors import BlobRefused, SettingsError, StoreUnavailable
from isthmus.common.threads import Threads

_CONTENT: Final = b"isthmus doctor"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and as whom it is used."""

    place: str
    """The beginning of its settings' keys."""
    endpoint: str
    name: str
    access_key: str | None
    secret_key: str | None
    region: str | None = None
    ca_file: Path | None = None
    is_ours: bool = False
    """Whether it is written to, and made where it is not there."""

    @classmethod
    def of(cls, origin: S3Origin, around: Surroundings) -> Self:
        """Take that of an origin.

        Raises:
            ValueError: a file that its settings name cannot be used.
        """
        access_key, secret_key = origin.credentials()
        if origin.endpoint.startswith("https://"):
            verifying(origin.ca_file)
        place = around.place(origin.name)
        return cls(
            place, origin.endpoint, origin.bucket, access_key, secret_key, origin.region, origin.ca_file
        )

    @classmethod
    def ours(cls, around: Surroundings) -> Self | None:
        """Take our own: that of the running system, or of the settings, if they name one."""
        if around.running is not None:
            own = around.running.s3.settings
        elif "s3" in around.settings.model_fields_set:
            own = around.settings.s3
        else:
            return None
        return cls(
            "s3", own.endpoint, own.bucket, own.access_key, own.secret, ca_file=own.ca_file, is_ours=True
        )

    @property
    def url(self) -> str:
        """The endpoint with its scheme."""
        return self.endpoint if "://" in self.endpoint else f"http://{self.endpoint}"

    @contextmanager
    def opened(self, patience: Patience) -> Iterator[BlobStore]:
        """Have it as the services do.

        Raises:
            Wrong: its settings can be those of no bucket.
        """
        with closing(Threads("doctor-s3", 1)) as threads:
            try:
                store = BlobStore(
                    self.endpoint,
                    self.access_key,
                    self.secret_key,
                    self.name,
                    threads=threads,
                    deadline=patience.connect,
                    region=self.region,
                    ca_file=self.ca_file,
                )
            except SettingsError as error:
                raise Wrong(
                    Cause.SETTINGS_WRONG, Side.OURS, f"{self.place}: {error.detail}", "correct it there"
                ) from None
            with closing(store):
                yield store


async def examine_bucket(subject: Subject, bucket: Bucket, patience: Patience, clocks: Clocks) -> None:
    """Look at a bucket; ours is made if it is not there, as the services do at their start.

    Raises:
        Ended: something is wrong with it on which all else depends.
    """
    parts = urlsplit(bucket.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    await reach(subject, host, port, patience.connect, where=f"{bucket.place}.endpoint")
    context: ssl.SSLContext | bool = True
    if parts.scheme == "https":
        with subject.step("TLS"):
            context = _verifying(bucket)
            await handshake(_place(bucket, host, port), context, patience.connect)
    await clocks.ask(subject.name, bucket.url, patience.connect, context, is_ours=bucket.is_ours)
    with ExitStack() as opened:
        with subject.step("bucket") as note:
            store = opened.enter_context(bucket.opened(patience))
            note.detail = await _look(store, bucket, host, port, patience)
        with subject.step("rights") as note:
            note.detail = await _try_rights(store, bucket)


def _verifying(bucket: Bucket) -> ssl.SSLContext:
    try:
        return verifying(bucket.ca_file)
    except ValueError as error:
        raise unusable(f"{bucket.place}.{error}") from None


def _place(bucket: Bucket, host: str, port: int) -> Place:
    return Place(
        host,
        port,
        name=host,
        ca_file=f"{bucket.place}.ca_file",
        certificate_file=None,
        shows_certificate=False,
        without=f"{bucket.place}.endpoint: begin it with http:// where it may be in clear",
    )


async def _look(store: BlobStore, bucket: Bucket, host: str, port: int, patience: Patience) -> str:
    """See that it answers as S3, knows us, and that the bucket is there."""
    try:
        await _first_key(store)
    except BlobRefused:
        return f"{bucket.name} is there, or nobody tells us"
    except StoreUnavailable as error:
        if error.code == "NoSuchBucket" and bucket.is_ours:
            return await _make(store, bucket)
        raise await _why(error, bucket, host, port, patience) from None
    return f"{bucket.name} is there"


async def _first_key(store: BlobStore) -> str | None:
    async with aclosing(store.list("")) as listed:
        found = await anext(listed, None)
    return None if found is None else found.key


async def _make(store: BlobStore, bucket: Bucket) -> str:
    try:
        await store.ensure_bucket()
    except StoreUnavailable:
        raise _missing(bucket, "and we may not make it") from None
    return f"{bucket.name} is made: it was not there"


def _missing(bucket: Bucket, more: str) -> Wrong:
    return Wrong(
        Cause.BUCKET_MISSING,
        Side.THEIRS,
        f"there is no bucket {bucket.name} at {bucket.url}, {more}",
        f"there: make the bucket {bucket.name}",
        f"or here: {bucket.place}.bucket: write the name of one that is there",
    )


async def _why(error: StoreUnavailable, bucket: Bucket, host: str, port: int, patience: Patience) -> Wrong:
    if error.code == "NoSuchBucket":
        return _missing(bucket, "and it is not for us to make it")
    if not error.code:
        return await _no_s3(error, bucket, host, port, patience)
    told = _by_code(bucket).get(error.code)
    return told or Wrong(
        Cause.S3_FAILS,
        Side.THEIRS,
        f"{bucket.url} does not answer as it should: {error.detail}",
        "see in its log why",
    )


def _by_code(bucket: Bucket) -> Mapping[str, Wrong]:
    """Give what the codes of S3's errors mean."""
    it, place = bucket.url, bucket.place
    return {
        "InvalidAccessKeyId": Wrong(
            Cause.S3_KEY_UNKNOWN,
            Side.OURS,
            f"{it} does not know our access key",
            f"{place}.access_key (or access_key_file): write the one that was made there for us",
        ),
        "SignatureDoesNotMatch": Wrong(
            Cause.S3_SECRET_WRONG,
            Side.OURS,
            f"{it} knows our access key, and our secret key is not that one's",
            f"{place}.secret_key (or secret_key_file): write the one that belongs to the access key",
        ),
        "RequestTimeTooSkewed": Wrong(
            Cause.CLOCK_DIFFERS,
            Side.OURS,
            f"the clock of {it} and ours differ by more than 15 minutes: it takes nothing of ours",
            "here: have the clock set by NTP, and see that it is (timedatectl)",
        ),
        "AuthorizationHeaderMalformed": Wrong(
            Cause.S3_FAILS,
            Side.OURS,
            f"{it} is in another region than we sign for",
            f"{place}.region: write the region of the bucket",
        ),
    }


async def _no_s3(error: StoreUnavailable, bucket: Bucket, host: str, port: int, patience: Patience) -> Wrong:
    in_clear = bucket.url.startswith("http:")
    if in_clear and await speaks(host, port, patience.connect) in {Speaks.TLS, Speaks.HTTPS}:
        return Wrong(
            Cause.SPEAKS_TLS,
            Side.OURS,
            f"{host}:{port} speaks TLS, and we speak in clear",
            f"{bucket.place}.endpoint: begin it with https://",
        )
    return Wrong(
        Cause.NOT_S3,
        Side.OURS,
        f"{host}:{port} is there, and does not answer as S3: {error.detail}",
        f"{bucket.place}.endpoint: write where S3 is; MinIO: the port of its API (9000), not of its console",
    )


async def _try_rights(store: BlobStore, bucket: Bucket) -> str:
    """Do what is needed, once; of a bucket of others nothing is written."""
    lacking: list[str] = []
    key: str | None = None

    async def look() -> None:
        nonlocal key
        key = await _first_key(store)

    await _attempt("list (s3:ListBucket)", look, lacking)
    if bucket.is_ours:
        key = f"{SPOOL}/doctor-{secrets.token_hex(8)}"
        await _attempt("write (s3:PutObject)", lambda: store.put(key or "", _CONTENT), lacking)
    written = "write (s3:PutObject)" not in lacking
    try:
        if key is not None and written:
            await _attempt("read (s3:GetObject)", lambda: store.get(key or "", length=1), lacking)
    finally:  # however reading ends, nothing of ours stays
        if bucket.is_ours and written:
            await _attempt("delete (s3:DeleteObject)", lambda: store.delete(key or ""), lacking)
    if not lacking:
        return "list, read, write, delete" if bucket.is_ours else "list, read"
    raise Wrong(
        Cause.S3_NOT_ALLOWED,
        Side.THEIRS,
        f"{bucket.url} does not let us do this in the bucket {bucket.name}: {', '.join(lacking)}",
        f"there: give our access key the rights to {', '.join(lacking)} in {bucket.name}",
        f"or here: {bucket.place}.access_key: write one that has them",
    )


async def _attempt(right: str, attempt: Callable[[], Awaitable[object]], lacking: list[str]) -> None:
    try:
        await attempt()
    except BlobRefused:
        lacking.append(right)
    except StoreUnavailable as error:
        raise Wrong(
            Cause.S3_FAILS,
            Side.THEIRS,
            f"S3 does not {right.partition(' ')[0]}: {error.detail}",
            "see in its log why: its disk may be full",
        ) from None
