"""Metadata in the Native DICOM Model (PS3.19 A.1): no entities, no external ones, no depth without end."""

from collections.abc import Iterable
from io import BytesIO
from typing import Final

from isthmus.common.dicom.json_model import metadata_of
from isthmus.common.dicom.xml_model import native_model, parse_native_model
from isthmus.common.errors import MalformedDataset
from isthmus.stow.composing import Composed
from isthmus.stow.parts import Kind
from tests.fuzz.metadata import composed, readable
from tests.fuzz.refusals import PLANTED, refusing
from tests.fuzz.samples import files

WORDS: Final = (
    *(b"<DicomAttribute ", b' tag="00100010"', b' vr="PN"', b"</DicomAttribute>", b'<Item number="1">'),
    *(b"<PersonName>", b"<Alphabetic>", b"<Value number='1'>", b'<BulkData uri="', b"<InlineBinary>"),
    *(b"<!DOCTYPE x [", b"<!ENTITY a 'b'>", b"&a;", b"<?xml version='1.0' encoding='", b"<![CDATA["),
    *(b"privateCreator='", b"utf-16", b"&#13;", b"xmlns:a='b'", b"a:", b"iso-8859-1"),
)


def target(data: bytes) -> None:
    """Make an instance of it; what can be read can be written, and read again as the same."""
    for instance in composed(data, Kind.XML):
        if isinstance(instance, Composed):
            readable(instance)
    with refusing(MalformedDataset):
        found = parse_native_model(data)
        assert parse_native_model(native_model(found)).keys() == found.keys()


def seeds() -> Iterable[bytes]:
    """Of real instances, and what XML has beside elements."""
    for file in files():
        with refusing(MalformedDataset):
            written = native_model(metadata_of(BytesIO(file), "/bulk")[0])
            if len(written) < 6000:
                yield written
    begin = b"<?xml version='1.0'?><NativeDicomModel>"
    name = f"<Alphabetic><FamilyName>{PLANTED}</FamilyName></Alphabetic>".encode()
    person = b"<DicomAttribute tag='00100010' vr='PN'><PersonName number='1'>" + name + b"</PersonName>"
    yield begin + person + b"</DicomAttribute></NativeDicomModel>"
    yield begin + b"<DicomAttribute tag='00091002' vr='UN' privateCreator='X'/></NativeDicomModel>"
    yield b"<!DOCTYPE x [<!ENTITY a 'b'>]><NativeDicomModel>&a;</NativeDicomModel>"
    yield b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><NativeDicomModel/>"
    nested = b"<DicomAttribute tag='00400275' vr='SQ'><Item number='1'>"
    yield begin + nested * 70 + b"</Item></DicomAttribute>" * 70 + b"</NativeDicomModel>"
