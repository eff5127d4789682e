"""Data sets of instances: their metadata, bulk values, and all of them in another encoding (PS3.5 7)."""

from collections.abc import Iterable, Iterator
from io import BytesIO

import orjson

from isthmus.common.dicom.bulk import bulk_of, parse_bulk_path
from isthmus.common.dicom.dataset_source import open_dataset
from isthmus.common.dicom.explicit import explicit_elements
from isthmus.common.dicom.json_model import metadata_of
from isthmus.common.dicom.xml_model import native_model, parse_native_model
from isthmus.common.errors import MalformedDataset, NoSuchObject
from tests.fuzz.refusals import refusing
from tests.fuzz.samples import files

_PREFIX = "http://isthmus/bulkdata"
_MOST_BULK = 8


def target(data: bytes) -> None:
    """Describe a file in JSON and XML, follow each reference, and write it in Explicit VR."""
    source = BytesIO(data)
    with refusing(MalformedDataset):
        described, _ = metadata_of(source, _PREFIX)
        orjson.dumps(described)
        with refusing(MalformedDataset):
            parse_native_model(native_model(described))
        for uri in list(_references(described))[:_MOST_BULK]:
            with refusing(MalformedDataset, NoSuchObject):
                bulk_of(source, parse_bulk_path(uri.removeprefix(f"{_PREFIX}/")))
    with refusing(MalformedDataset):
        for _, written in explicit_elements(open_dataset(BytesIO(data))):
            for _ in written:
                pass


def _references(described: object) -> Iterator[str]:
    if isinstance(described, dict):
        uri = described.get("BulkDataURI")
        if isinstance(uri, str):
            yield uri
        for value in described.values():
            yield from _references(value)
    elif isinstance(described, list):
        for value in described:
            yield from _references(value)


def seeds() -> Iterable[bytes]:
    """Small files of every encoding."""
    return files()
