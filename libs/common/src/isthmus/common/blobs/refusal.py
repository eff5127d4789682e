"""What it means when S3 does not do what it was asked."""

import re
import ssl
from typing import Final
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, S3Error, ServerError

from isthmus.common.errors import BlobMissing, BlobRefused, StoreUnavailable

_CODE: Final = re.compile(rb"<Code>\s*(\w+)\s*</Code>")


_AGAIN: Final = frozenset({"RequestTimeout", "ConditionalRequestConflict"})
_NOT_FOR_US: Final = frozenset({"AccessDenied", "InvalidObjectState"})


class Exists(Exception):
    """Something lies under a key already, where nothing was to be."""


class Refused(Exception):
    """S3 answered, but not with success."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


def code_in(body: bytes) -> str:
    """Find the code in S3's words; empty if there is none."""
    found = _CODE.search(body)
    return found.group(1).decode() if found else ""


def judge(operation: str, error: Exception) -> tuple[StoreUnavailable, bool]:
    """Say what a failed attempt means, and whether it is worth another one."""
    status, code = _status(error)
    if status == 404 and code in {"NoSuchKey", ""}:
        return BlobMissing(f"{operation}: no such blob"), False
    if status == 412:  # it was asked for on condition that it is as it was
        return BlobMissing(f"{operation}: another version is there"), False
    if code in _NOT_FOR_US:
        return BlobRefused(f"{operation}: {status} {code}", code=code), False
    if status is None:
        return StoreUnavailable(f"{operation}: {_kind(error)}"), True
    again = status < 400 or status >= 500 or status in {408, 425, 429} or code in _AGAIN
    return StoreUnavailable(f"{operation}: {status} {code}".rstrip(), code=code), again


def _status(error: Exception) -> tuple[int | None, str]:
    if isinstance(error, Refused):
        return error.status, error.code
    if isinstance(error, S3Error):
        return error.response.status, error.code or ""
    if isinstance(error, ServerError):
        return error.status_code, ""
    return None, ""


def _kind(error: Exception) -> str:
    """Name the cause at the bottom: "Connection refused" says more than "MaxRetryError"."""
    if isinstance(error, InvalidResponseError | ParseError):
        return "not an S3 answer"
    cause: BaseException = error
    while (deeper := getattr(cause, "reason", None) or cause.__cause__) and isinstance(deeper, BaseException):
        cause = deeper
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError):  # whose words are of its C code
        return cause.strerror or type(cause).__name__
    return type(cause).__name__
