"""Answers in the DICOM JSON Model (PS3.18 Annex F)."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson

from isthmus.common.dicom.json_values import DicomJson
from isthmus.common.telemetry import get_logger
from isthmus.common.webclient.answer import Answer, shown
from isthmus.common.webclient.data_sets import data_set

DICOM_JSON: Final = "application/dicom+json"
ACCEPT: Final = f"{DICOM_JSON}, application/json;q=0.9"
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of an answer, decompressed."""
_MARK: Final = b"\xef\xbb\xbf"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """Data sets, and what the origin says of them."""

    data_sets: list[DicomJson]
    warnings: tuple[str, ...] = ()
    """The values of Warning, as they are: they may say that there is more."""
    is_part: bool = False
    """Whether the origin answered with 206, as some do with a page of a search."""


async def read_json(answer: Answer, most_bytes: int = MOST_BYTES) -> list[DicomJson]:
    """Read all of an answer; one data set counts as a list of one, no content as none.

    An element that is not of the model is left out, where others of its data set are: one bad value costs no
    search. A data set of which nothing is right is none, and without it the list would look complete.

    Raises:
        MalformedAnswer: it is no JSON, not the model, or larger than `most_bytes`.
        TruncatedAnswer: it was cut off.
        OriginTimeout: for too long nothing came.
    """
    # Some call an empty body HTML where nothing matches.
    if answer.status == HTTPStatus.NO_CONTENT or answer.headers.get("content-length", "").strip() == "0":
        return []
    media_type = answer.media_type
    if media_type is not None and not media_type.name.endswith(("/json", "+json")):
        raise answer.malformed(f"The answer is {shown(media_type)}, no JSON")
    body = await read_all(answer, most_bytes)
    if not body and answer.end_is_marked:
        return []
    left_out: list[str] = []
    found = parse_data_sets(answer, body, left_out)
    if left_out:
        reasons = sorted(set(left_out))
        log.warning("elements left out", origin=answer.origin, elements=len(left_out), reasons=reasons)
    return found


async def read_all(answer: Answer, most_bytes: int) -> bytes:
    """Read a body to its end.

    Raises:
        MalformedAnswer: it is larger than `most_bytes`, or cannot be read.
        TruncatedAnswer: it was cut off.
        OriginTimeout: for too long nothing came.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer:
        size += len(chunk)
        if size > most_bytes:
            raise answer.malformed(f"The answer is larger than {most_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def parse_data_sets(answer: Answer, body: bytes, left_out: list[str] | None = None) -> list[DicomJson]:
    """Read a text of the model: an array of data sets, or one.

    Tags come out in upper case; an element that does not tell its VR gets the one of the standard.

    Args:
        answer: whose text it is.
        body: the text.
        left_out: takes what is wrong of elements that are left out; without it one of them is an error.

    Raises:
        MalformedAnswer: it is something else; quotes nothing of it.
    """
    try:
        parsed = orjson.loads(body.removeprefix(_MARK))
    except orjson.JSONDecodeError:
        raise answer.malformed("The answer is no JSON, or not all of it") from None
    found = parsed if isinstance(parsed, list) else [parsed]
    try:
        return [data_set(one, left_out) for one in found]
    except ValueError as error:
        raise answer.malformed(f"The answer is not of the DICOM JSON Model: {error}") from None
