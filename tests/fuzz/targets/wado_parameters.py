"""The query strings of WADO-RS and WADO-URI (PS3.18 8.3.5, 9), lists of frames, and headers of wado."""

from collections.abc import Iterable
from typing import Final

from starlette.requests import Request

from isthmus.common.dicomweb.accept import accepted_by
from isthmus.common.errors import InvalidParameter, RangeNotSatisfiable
from isthmus.wado.answers.conditional import ETag, is_unchanged, range_applies
from isthmus.wado.answers.ranges import byte_range
from isthmus.wado.parameters.frame_list import frame_numbers
from isthmus.wado.parameters.rendering_parameters import (
    query_of,
    rendering_parameters,
    thumbnail_parameters,
)
from isthmus.wado.parameters.uri_parameters import ranges_in, uids_in, uri_parameters
from tests.fuzz.refusals import refusing

WORDS: Final = (
    *(b"requestType=WADO&studyUID=1&seriesUID=2&objectUID=3", b"&contentType=", b"&charset=utf-8"),
    *(b"&window=", b"&viewport=", b"&quality=", b"&annotation=", b"&iccprofile=", b",linear-exact"),
    *(b"&region=", b"&frameNumber=", b"&rows=", b"&columns=", b"&windowCenter=", b"&windowWidth="),
    *(b"&presentationUID=", b"&presentationSeriesUID=", b"&imageQuality=", b"bytes=0-1", b'W/"a"', b"1e308"),
)
_SIZE: Final = 1000


def target(data: bytes) -> None:
    """Read it as a query, and its other half as the headers that wado reads."""
    query, _, header = data.partition(b"\n")
    query = query.decode("utf-8", "ignore").encode()  # others are refused before: see `service.queries`
    names = (b"accept", b"range", b"if-none-match", b"if-range")
    request = Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": query,
            "headers": [(name, header) for name in names],
        }
    )
    text = header.decode("latin-1")
    with refusing(InvalidParameter):
        accepted_by(request)
    with refusing(InvalidParameter):
        frame_numbers(text)
    with refusing(RangeNotSatisfiable):
        found = byte_range(text, _SIZE)
        assert found is None or 0 <= found.offset < found.offset + found.length <= _SIZE
    is_unchanged(request, ETag("a"))
    range_applies(request, ETag("a"))
    with refusing(InvalidParameter):
        read = query_of(request)
        for parse in (rendering_parameters, thumbnail_parameters, uri_parameters, uids_in):
            with refusing(InvalidParameter):
                parse(read)
        ranges_in(read, text)


def seeds() -> Iterable[bytes]:
    """What clients ask for."""
    yield b"window=40,400,linear&viewport=512,512,0,0,,-100&quality=80&annotation=patient,technique\n1,2,3"
    yield b"iccprofile=srgb&charset=utf-8;q=0.5,*&accept=image/png\nbytes=0-99"
    yield b"viewport=,,10,10,20,20\nbytes = -5,"
    yield (
        b"requestType=WADO&studyUID=1.2&seriesUID=1.3&objectUID=1.4&contentType=image/jpeg;q=0.5,application/dicom"
        b'&rows=100&columns=50&region=0,0,.5,1e-1&windowCenter=-5e2&windowWidth=1&frameNumber=2\nW/"a", "b"'
    )
    yield b"requestType=WADO&presentationUID=1&presentationSeriesUID=2&transferSyntax=1.2.840.10008.1.2\n*"
