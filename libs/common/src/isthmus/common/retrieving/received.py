"""An instance as it came from an origin: a data set alone, or a Part 10 file."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final, Protocol

from isthmus.common.blobs import Data
from isthmus.common.dicom.part10 import Identity, check_ending, file_header, identify, read_file_meta
from isthmus.common.dicom.part10.header import PREAMBLE_BYTES, PREFIX
from isthmus.common.dicom.raw_bytes import RawBytes

_META_BYTES: Final = 1024 * 1024
"""As much as `read_file_meta` looks at."""
_HEADER_BEGINS: Final = PREAMBLE_BYTES + len(PREFIX)


class Received(Protocol):
    """What came of one instance."""

    @property
    def in_memory(self) -> int:
        """How many bytes it takes in memory."""

    def read(self) -> tuple[Identity, str, Data]:
        """Tell which instance it is, in which transfer syntax, and what is to be put into S3: a Part 10 file.

        The data set's own UIDs count: origins cut over-long ones in what stands around it.

        Raises:
            MalformedDataset: it cannot be told which instance it is, or it breaks off.
        """


@dataclass(frozen=True, slots=True)
class ReceivedDataset:
    """A data set, whose end the protocol has marked (PS3.8 9.3.5); its header is written here."""

    dataset: RawBytes
    transfer_syntax_uid: str

    @property
    def in_memory(self) -> int:
        """How many bytes it takes in memory."""
        return self.dataset.in_memory

    def read(self) -> tuple[Identity, str, Data]:
        """Put a header before it."""
        identity = identify(self.dataset.head(), self.transfer_syntax_uid)
        data = _with_header(self.dataset, identity, self.transfer_syntax_uid)
        return identity, self.transfer_syntax_uid, data


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file, kept byte for byte as it came; one without preamble and header gets them before its data set.

    Its pixels must be whole: what sends it may have read them from somewhere else, which broke off.
    """

    file: RawBytes

    @property
    def in_memory(self) -> int:
        """How many bytes it takes in memory."""
        return self.file.in_memory

    def read(self) -> tuple[Identity, str, Data]:
        """Read its header, and see that it does not break off."""
        meta = read_file_meta(BytesIO(self.file.head()[:_META_BYTES]))
        dataset = self.file.part(meta.dataset_offset, self.file.size)
        head = dataset.head()
        identity = identify(head, meta.transfer_syntax_uid)
        check_ending(head, dataset.size, meta.transfer_syntax_uid)
        if bytes(self.file.head()[PREAMBLE_BYTES:_HEADER_BEGINS]) == PREFIX:
            return identity, meta.transfer_syntax_uid, self.file
        return identity, meta.transfer_syntax_uid, _with_header(dataset, identity, meta.transfer_syntax_uid)


def _with_header(dataset: RawBytes, identity: Identity, transfer_syntax_uid: str) -> Data:
    header = file_header(
        sop_class_uid=identity.sop_class_uid,
        sop_instance_uid=identity.sop_instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        source_ae_title=None,
    )
    return header, dataset
