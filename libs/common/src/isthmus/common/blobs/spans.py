"""The spans of what is asked of S3: named by the operation, without the key, which holds UIDs."""

from contextlib import AbstractContextManager

from isthmus.common.telemetry import AttributeValue, Span, SpanKind, span
from isthmus.common.telemetry.attributes import S3_BUCKET, S3_SIZE


def s3_span(
    operation: str, bucket: str, size: int | None = None, *, current: bool = True
) -> AbstractContextManager[Span]:
    """Be in the span of an operation: `S3 put`.

    Args:
        operation: in a word or two.
        bucket: whose.
        size: bytes, where they are known.
        current: as for `span`.
    """
    told: dict[str, AttributeValue] = {S3_BUCKET: bucket}
    if size is not None:
        told[S3_SIZE] = size
    return span(f"S3 {operation}", told, kind=SpanKind.CLIENT, current=current)
