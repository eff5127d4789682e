"""A large blob that is all there, to S3 in parts, in the memory that a few buffers of a socket take."""

from typing import Final

from isthmus.common.blobs.body import Body
from isthmus.common.blobs.client import S3Client
from isthmus.common.errors import StoreUnavailable
from isthmus.common.telemetry import SpanKind, get_logger, span

PART: Final = 8 * 1024 * 1024
"""Of a multipart upload; what is not larger is one request."""
ABORT_SECONDS: Final = 5

log = get_logger(__name__)


def upload(client: S3Client, key: str, body: Body) -> None:
    """Write a blob by a multipart upload, from a thread; what fails leaves nothing.

    Raises:
        StoreUnavailable: S3 does not take it.
    """
    upload_id = client.begin_upload(key)
    try:
        etags = []
        for number, part in enumerate(body.parts(PART), 1):
            if client.closed:
                raise StoreUnavailable("S3 upload: broken off, as the process ends")
            with span("S3 put part", {"s3.size": part.size}, kind=SpanKind.CLIENT):
                etags.append(client.upload_part(key, upload_id, number, part))
        client.complete_upload(key, upload_id, etags, body.size)
    except BaseException:
        try:
            client.abort_upload(key, upload_id, deadline=ABORT_SECONDS)
        except StoreUnavailable as error:
            log.warning("an aborted upload is left behind", reason=error.detail)
        raise
