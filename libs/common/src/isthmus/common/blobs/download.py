"""Reading a blob in pieces, from a thread; a connection that breaks is replaced in the middle."""

import threading

from isthmus.common.blobs.client import S3Client
from isthmus.common.blobs.connections import Reply


class Download:
    """One pass over a blob, or over a range of it, in constant memory.

    What was begun and broke off goes on where it stopped: a blob is never overwritten, and of what others may
    overwrite a version is read (its ETag). `close` may be
    called while another thread reads, and does not wait for it: that thread then gives the connection back.
    """

    def __init__(
        self, client: S3Client, key: str, offset: int, length: int | None, version: str | None = None
    ) -> None:
        self._client = client
        self._key = key
        self._version = version
        self._position = offset
        self._end = None if length is None else offset + length
        self._reply: Reply | None = None
        self._busy = threading.Lock()
        self._closed = False

    def read(self, size: int) -> bytes:
        """Give the next bytes, at most `size`; none at the end.

        Raises:
            BlobMissing: there is no such blob.
            StoreUnavailable: S3 did not go on within the deadline.
        """
        with self._busy:
            piece = b"" if self._closed else self._client.retry("get", lambda: self._attempt(size))
        self._settle()
        return piece

    def close(self) -> None:
        """Give the connection back, from whatever thread."""
        self._closed = True
        self._settle()

    def _settle(self) -> None:
        # Whoever holds the lock comes here after it has let go, so that one of both releases the connection.
        if self._closed and self._busy.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._busy.release()

    def _attempt(self, size: int) -> bytes:
        if self._end is not None and self._position >= self._end:
            return b""
        try:
            if self._reply is None:
                self._reply = self._open()
            piece = self._reply.read(size)
        except BaseException:
            self._drop()
            raise
        self._position += len(piece)
        return piece

    def _open(self) -> Reply:
        remaining = None if self._end is None else self._end - self._position
        reply = self._client.open(self._key, self._position, remaining, self._version)
        if self._end is None:
            self._end = self._position + reply.length
        return reply

    def _drop(self) -> None:
        if self._reply is not None:
            self._reply.close()
            self._reply = None
