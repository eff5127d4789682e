"""Large blobs to S3 in parts, several of them at the same time."""

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Final

from isthmus.common.blobs.body import Body
from isthmus.common.blobs.client import S3Client
from isthmus.common.blobs.spans import s3_span
from isthmus.common.errors import StoreUnavailable
from isthmus.common.telemetry import get_logger

PART: Final = 8 * 1024 * 1024
"""Of a multipart upload; what is not larger is one request."""
PARTS_AT_ONCE: Final = 4
ABORT_SECONDS: Final = 5

log = get_logger(__name__)


class MultipartUpload:
    """The parts of one blob, for threads; it begins with the first of them."""

    def __init__(self, client: S3Client, key: str, *, only_new: bool = False) -> None:
        self._client = client
        self._key = key
        self._only_new = only_new
        self._upload_id: str | None = None
        self._beginning = threading.Lock()
        self._etags: dict[int, str] = {}

    def send(self, number: int, part: Body) -> None:
        """Write a part, numbered from 1.

        Raises:
            StoreUnavailable: S3 does not take it, or the store is closed.
        """
        if self._client.closed:
            raise StoreUnavailable("S3 upload: broken off, as the process ends")
        with self._beginning:
            if self._upload_id is None:
                self._upload_id = self._client.begin_upload(self._key)
        with s3_span("put part", self._client.bucket, part.size):
            self._etags[number] = self._client.upload_part(self._key, self._upload_id, number, part)

    def complete(self, size: int) -> None:
        """Make the parts that were sent into a blob of `size` bytes.

        Raises:
            StoreUnavailable: S3 does not do it.
        """
        if self._upload_id is not None:
            etags = [self._etags[number] for number in sorted(self._etags)]
            self._client.complete_upload(self._key, self._upload_id, etags, size, only_new=self._only_new)

    def abort(self) -> None:
        """Drop the parts, when none is being sent any more.

        Raises:
            StoreUnavailable: S3 does not do it; they are left behind.
        """
        if self._upload_id is not None:
            self._client.abort_upload(self._key, self._upload_id, deadline=ABORT_SECONDS)


def upload(client: S3Client, key: str, body: Body, *, only_new: bool = False) -> None:
    """Write a large blob that is all there, from a thread; what fails leaves nothing.

    A file is read as it is sent, so it takes the memory of a few buffers of a socket.

    Raises:
        Exists: something lies under the key, and `only_new` wants nothing to.
        StoreUnavailable: S3 does not take it.
    """
    parts = MultipartUpload(client, key, only_new=only_new)
    threads = ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3-part")
    try:
        sending = [
            threads.submit(copy_context().run, parts.send, number, part)
            for number, part in enumerate(body.parts(PART), 1)
        ]
        for sent in wait(sending, return_when=FIRST_EXCEPTION).done:
            sent.result()
        parts.complete(body.size)
    except BaseException:
        threads.shutdown(cancel_futures=True)  # and wait: a part that comes later would be left behind
        try:
            parts.abort()
        except StoreUnavailable as error:
            log.warning("an aborted upload is left behind", reason=error.detail)
        raise
    finally:
        threads.shutdown()
