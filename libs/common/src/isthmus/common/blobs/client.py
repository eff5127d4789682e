"""S3 as blocking calls, for threads: the minio SDK with time-outs, and the one owner of retries.

Reads and writes go through presigned URLs: the SDK would take a body as one `bytes` object, hash it, and send
it under a single time-out; `connections` says why it does not read. A key holds UIDs, so no key and no text
of the SDK's exceptions gets into an error of ours.
"""

import html
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException
from minio.helpers import check_bucket_name
from urllib3.exceptions import HTTPError

from isthmus.common.blobs.body import Body
from isthmus.common.blobs.connections import Answer, Connections, Reply
from isthmus.common.blobs.refusal import Exists, Refused, judge
from isthmus.common.blobs.spans import s3_span
from isthmus.common.config.files import certificates_file, verifying
from isthmus.common.errors import BlobMissing, SettingsError
from isthmus.common.telemetry.attributes import S3_OBJECTS

T = TypeVar("T")

CONTENT_TYPE = "application/dicom"
CONNECT_SECONDS = 2
READ_SECONDS = 5
COMPLETE_SECONDS = 30  # a server may copy all parts before it answers
DELETE_SECONDS = 30  # of a thousand blobs
NOTHING = Body(())

_UPLOAD_ID = re.compile(rb"<UploadId>\s*([^<]+?)\s*</UploadId>")


class _UntilTheDeadline(urllib3.Timeout):
    """What a pool copies for each request: it ends with the operation that the thread is in."""

    def __init__(self) -> None:
        super().__init__(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self.thread = threading.local()

    def clone(self) -> urllib3.Timeout:
        """Give what holds for a request that is made now."""
        connect, read = self.patience()
        return urllib3.Timeout(connect=connect, read=read)

    def patience(self) -> tuple[float, float]:
        """Give the seconds that connecting may take, and that S3 may be silent."""
        remaining = max(getattr(self.thread, "deadline", 0) - time.monotonic(), 0.1)
        patience: float = getattr(self.thread, "patience", READ_SECONDS)
        return min(CONNECT_SECONDS, remaining), min(patience, remaining)


class S3Client:
    """One bucket."""

    def __init__(
        self,
        endpoint: str,
        access_key: str | None,
        secret_key: str | None,
        bucket: str,
        *,
        connections: int,
        deadline: float,
        region: str | None = None,
        ca_file: Path | None = None,
        name: str = "S3",
    ) -> None:
        if ca_file is not None:
            try:
                verifying(ca_file)
            except ValueError as error:
                raise SettingsError(f"{name} {error}") from None
        url = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
        self.bucket = bucket
        self._deadline = deadline
        self._closing = threading.Event()
        self._name = name
        self._timeout = _UntilTheDeadline()
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            retries=0,
            timeout=self._timeout,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(certificates_file(ca_file)),
        )
        self._connections = Connections(connections, ca_file)
        try:
            check_bucket_name(bucket)
            self.sdk = Minio(
                url.netloc,
                access_key,
                secret_key,
                region=region,
                secure=url.scheme == "https",
                http_client=self._pool,
            )
        except ValueError as error:  # which quotes the one of them that the library has no use for
            raise SettingsError(f"{name} endpoint, bucket or region: {error}") from None

    @property
    def closed(self) -> bool:
        """Whether `close` was called: nothing long is to go on."""
        return self._closing.is_set()

    def close(self) -> None:
        """Close the idle connections, and let no operation try again."""
        self._closing.set()
        self._pool.clear()
        self._connections.close()

    def retry(
        self,
        operation: str,
        attempt: Callable[[], T],
        *,
        deadline: float | None = None,
        patience: float = READ_SECONDS,
        waiting: Callable[[str], None] | None = None,
    ) -> T:
        """Do `attempt` until it succeeds, again and again until the deadline.

        Args:
            operation: what it is called in an error.
            attempt: must be repeatable; raises what the SDK and urllib3 raise, or `Refused`.
            deadline: seconds for all attempts together, where it is not the client's own.
            patience: seconds that S3 may be silent.
            waiting: is told, once and before the first pause, of what the first attempt failed.

        Raises:
            BlobMissing: S3 has no such key.
            StoreUnavailable: S3 refuses, or the deadline has passed.
        """
        end = time.monotonic() + min(self._deadline, deadline or self._deadline)
        pause = 0.05
        while True:
            self._timeout.thread.deadline = end
            self._timeout.thread.patience = patience
            try:
                return attempt()
            except (MinioException, HTTPError, OSError, ParseError, Refused) as error:
                reason, again = judge(f"{self._name} {operation}", error)
            if again and waiting is not None:
                waiting(reason.detail)
                waiting = None
            wait = pause * random.uniform(0.5, 1)  # noqa: S311 - jitter
            if not again or time.monotonic() + wait >= end or self._closing.wait(wait):
                raise reason
            pause = min(pause * 2, 2)

    def request(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body = NOTHING,
        content_type: str = CONTENT_TYPE,
        only_new: bool = False,
    ) -> Answer:
        """Send one request with a body, by a presigned URL.

        Raises:
            Exists: something lies under the key, and `only_new` wants nothing to.
            Refused: the answer is not a success.
            OSError: S3 is not there.
        """
        url = self.sdk.get_presigned_url(
            method, self.bucket, key, expires=timedelta(hours=1), extra_query_params=dict(query or {})
        )
        connect, patience = self._timeout.patience()
        headers = {"Content-Type": content_type, "Content-Length": str(body.size)}
        if only_new:
            headers["If-None-Match"] = "*"
        try:
            return self._connections.exchange(
                method, url, headers, body.chunks(), connect=connect, patience=patience
            )
        except Refused as refused:
            if only_new and refused.status == 412:
                raise Exists from None
            raise

    def put(self, key: str, body: Body, *, only_new: bool = False) -> None:
        """Write a blob by one request; with `only_new` if nothing lies under the key.

        Raises:
            Exists: something does.
        """
        self.retry("put", lambda: self.request("PUT", key, body=body, only_new=only_new))

    def open(self, key: str, offset: int, length: int | None, version: str | None = None) -> Reply:
        """Begin to read, once; the caller closes the reply.

        Raises:
            Refused: S3 refuses, or gives another range than it was asked for, or another version (ETag).
            OSError: S3 is not there.
        """
        url = self.sdk.get_presigned_url("GET", self.bucket, key, expires=timedelta(hours=1))
        whole = length is None and offset == 0
        last = "" if length is None else offset + length - 1
        connect, patience = self._timeout.patience()
        headers = {} if whole else {"Range": f"bytes={offset}-{last}"}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        reply = self._connections.get(url, headers, connect=connect, patience=patience)
        if not whole and reply.status != 206:
            reply.close()
            raise Refused(reply.status, "RangeIgnored")
        if version is not None and reply.etag != version:
            reply.close()
            raise Refused(412, "PreconditionFailed")
        return reply

    def begin_upload(self, key: str) -> str:
        """Begin a multipart upload, and give its id."""

        def attempt() -> str:
            found = _UPLOAD_ID.search(self.request("POST", key, query={"uploads": ""}).body)
            if found is None:
                raise Refused(500, "NoUploadId")
            return html.unescape(found.group(1).decode())

        return self.retry("begin upload", attempt)

    def upload_part(self, key: str, upload_id: str, number: int, body: Body) -> str:
        """Write a part, numbered from 1, and give its ETag."""
        query = {"partNumber": str(number), "uploadId": upload_id}

        def attempt() -> str:
            return self.request("PUT", key, query=query, body=body).headers.get(b"etag", b"").decode()

        return self.retry("upload part", attempt)

    def complete_upload(
        self, key: str, upload_id: str, etags: Sequence[str], size: int, *, only_new: bool = False
    ) -> None:
        """Make the parts into a blob of `size` bytes; with `only_new` as `put` does."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{html.escape(etag)}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()

        def attempt() -> None:
            try:
                self.request(
                    "POST",
                    key,
                    query={"uploadId": upload_id},
                    body=Body(body),
                    content_type="application/xml",
                    only_new=only_new,
                )
            except Refused as refused:
                # An attempt whose answer was lost has completed it already.
                if refused.code != "NoSuchUpload" or self.sdk.stat_object(self.bucket, key).size != size:
                    raise

        self.retry("complete upload", attempt, patience=COMPLETE_SECONDS)

    def abort_upload(self, key: str, upload_id: str, *, deadline: float) -> None:
        """Drop the parts."""

        def attempt() -> None:
            try:
                self.request("DELETE", key, query={"uploadId": upload_id})
            except Refused as refused:
                if refused.status != 404:
                    raise

        self.retry("abort upload", attempt, deadline=deadline)

    def delete(self, key: str, *, deadline: float | None = None) -> None:
        """Delete a blob; it is no error if there is none."""
        with s3_span("delete", self.bucket), suppress(BlobMissing):
            self.retry("delete", lambda: self.sdk.remove_object(self.bucket, key), deadline=deadline)

    def delete_together(self, keys: Sequence[str]) -> None:
        """Delete up to 1,000 blobs by one request; it is no error if some of them are not there."""

        def attempt() -> None:
            blobs = [DeleteObject(key) for key in keys]
            codes = {error.code or "" for error in self.sdk.remove_objects(self.bucket, blobs)}
            if codes:
                refused = "AccessDenied" in codes
                raise Refused(403 if refused else 500, "AccessDenied" if refused else min(codes))

        with s3_span("delete", self.bucket) as deleting:
            deleting.set_attribute(S3_OBJECTS, len(keys))
            self.retry("delete", attempt, patience=DELETE_SECONDS)
