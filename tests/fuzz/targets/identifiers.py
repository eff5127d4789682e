"""Identifiers of C-FIND, C-MOVE and C-GET, and what requests of storage commitment and steps carry."""

from collections.abc import Iterable
from io import BytesIO
from typing import Final

from isthmus.common.dimse.identifiers import failed_sop_instance_uids
from isthmus.common.dimse.sockets import install
from isthmus.scp.finding.identifier_in import read_identifier
from isthmus.scp.models import Model
from isthmus.scp.normalized import Refused, items_of, read_data_set, uid_of
from isthmus.scp.reports.reading import read_new_step
from isthmus.scp.retrieving.identifier import read_wished
from tests.fuzz.refusals import PLANTED, refusing
from tests.fuzz.samples import element, item
from tests.fuzz.wire import EXPLICIT, IMPLICIT

install()
_UNREADABLE: Final = 0xC000


def target(data: bytes) -> None:
    """Read it in both transfer syntaxes, as each of them."""
    for syntax in (IMPLICIT, EXPLICIT):
        with refusing(Refused):
            read_identifier(data, syntax)
        for model in Model:
            with refusing(Refused):
                read_wished(data, syntax, model)
        failed_sop_instance_uids(data, syntax)
        with refusing(Refused):
            read = read_data_set(BytesIO(data), syntax, _UNREADABLE)
            for one in items_of(read, "ReferencedSOPSequence"):
                with refusing(Refused):
                    uid_of(one, "ReferencedSOPInstanceUID", missing=1, empty=2, invalid=3)
            read_new_step(read)


def seeds() -> Iterable[bytes]:
    """Of each, in Explicit VR; a fuzzer finds the other encoding by itself."""
    level = element(0x00080052, b"CS", b"STUDY ")
    name = element(0x00100010, b"PN", PLANTED.encode() + b" ")
    uid = element(0x0020000D, b"UI", b"1.2\\1.3\0")
    yield level + name + uid + element(0x00080005, b"CS", b"ISO_IR 192")
    dates = element(0x00080020, b"DA", b"20200101-20210101 ") + element(0x00080030, b"TM", b"10-12 ")
    yield dates + level + uid
    yield element(0x00080052, b"CS", b"IMAGE ") + uid[:-2] + element(0x0020000E, b"UI", b"1.2\0")
    step = element(0x00400100, b"SQ", item(element(0x00400001, b"AE", b"CT") + dates), undefined=True)
    yield step + name
    reference = element(0x00081150, b"UI", b"1.2\0") + element(0x00081155, b"UI", b"1.3\0")
    yield element(0x00081195, b"UI", b"1.9\0") + element(0x00081199, b"SQ", item(reference) * 2)
    yield element(0x00080058, b"UI", b"1.2\\1.3\0")
    yield b"\x08\0\x52\0\x06\0\0\0STUDY \x20\0\x0d\0\x04\0\0\0001.2\0"
