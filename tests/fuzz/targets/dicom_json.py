"""Metadata in the DICOM JSON Model, as clients store them and as origins answer (PS3.18 Annex F)."""

from collections.abc import Iterable
from io import BytesIO
from typing import Final

import orjson

from isthmus.common.dicom.json_model import metadata_of
from isthmus.common.errors import MalformedDataset
from isthmus.common.webclient.data_sets import data_set
from isthmus.stow.composing import Composed
from isthmus.stow.parts import Kind
from tests.fuzz.metadata import composed, readable
from tests.fuzz.refusals import PLANTED, refusing
from tests.fuzz.samples import files

WORDS: Final = (
    *(b'"Value":[', b'"vr":"SQ"', b'"vr":"PN"', b'"BulkDataURI":"', b'"InlineBinary":"', b'"7FE00010":{'),
    *(b'{"Alphabetic":"', b"NaN", b"1e400", b"null", b'"\\ud800"', b'"00081140":{', b'"FFFCFFFC":{'),
)


def target(data: bytes) -> None:
    """Make instances of it; and read it as an answer, with the parser that answers have."""
    for instance in composed(data, Kind.JSON):
        if isinstance(instance, Composed):
            readable(instance)
    try:
        parsed = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    for one in parsed if isinstance(parsed, list) else [parsed]:
        with refusing(ValueError):
            orjson.dumps(data_set(one, []))
        with refusing(ValueError):
            orjson.dumps(data_set(one))


def seeds() -> Iterable[bytes]:
    """Of real instances, and of each kind of value."""
    for file in files():
        with refusing(MalformedDataset):
            described, _ = metadata_of(BytesIO(file), "/bulk")
            written = orjson.dumps([described])
            if len(written) < 4000:
                yield written
    uids = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3"]},
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.4"]},
    }
    for element in (
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": PLANTED, "Ideographic": None}]}},
        {"00400275": {"vr": "SQ", "Value": [{"00081030": {"vr": "LO", "Value": [PLANTED, None]}}, None]}},
        {"7FE00010": {"vr": "OW", "BulkDataURI": "pixels"}, "00280010": {"vr": "US", "Value": [2]}},
        {"00281201": {"vr": "OW", "InlineBinary": "AAAA"}, "00186020": {"vr": "SL", "Value": [-1, 1.0]}},
        {"00081160": {"vr": "IS", "Value": [1, "2"]}, "00180050": {"vr": "DS", "Value": [1.25, "3"]}},
        {"00091002": {"vr": "UN", "InlineBinary": "AAAA"}, "00720026": {"vr": "AT", "Value": ["00080016"]}},
    ):
        yield orjson.dumps({**uids, **element})
