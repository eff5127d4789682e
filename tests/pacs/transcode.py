"""Native encodings of instances, for a PACS that does not send them as it holds them."""

from io import BytesIO

import pydicom
from pydicom.uid import UID

from tests.data_sets import raw_dataset, transfer_syntax


def transcoded(file: bytes, syntax: str) -> bytes:
    """The data set of a Part 10 file in a native transfer syntax; as it is where it is in that one."""
    if transfer_syntax(file) == syntax:
        return raw_dataset(file)
    ds = pydicom.dcmread(BytesIO(file))
    if ds.file_meta.TransferSyntaxUID.is_compressed:
        ds.decompress(decoding_plugin="pydicom", generate_instance_uid=False)
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    written = BytesIO()
    implicit, little = UID(syntax).is_implicit_VR, UID(syntax).is_little_endian
    pydicom.dcmwrite(written, ds, implicit_vr=implicit, little_endian=little)
    return raw_dataset(written.getvalue())
