"""Data sets that arrive: small ones into memory, large ones into a file as their fragments come.

A patch of pynetdicom, like those of `sockets`: `DIMSEMessage.decode_msg` writes each fragment into the
`data_set` of the message, so a message begins with one that knows its bound. (pynetdicom's own
`STORE_RECV_CHUNKED_DATASET` writes every data set into a file with a name, and leaves it there.)
"""

from io import BytesIO
from typing import TYPE_CHECKING, Final

from pynetdicom.dimse_messages import DIMSEMessage

from isthmus.common.dicom.raw_bytes import RawBytes, UnnamedFile
from isthmus.common.errors import StoreUnavailable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

SPILL_BYTES: Final = 4 * 1024 * 1024
"""What a data set may take in memory: 64 associations at once then take 256 MiB."""


class Spill(BytesIO):
    """Where the fragments of one data set go; `getbuffer` is not for the large ones, `dataset` is for all."""

    def __init__(self) -> None:
        super().__init__()
        self._file: UnnamedFile | None = None
        self._lost = False

    def write(self, data: "ReadableBuffer", /) -> int:
        """Take a fragment; what the disk does not take is lost, and `dataset` says so.

        It is not raised here, in the thread of the upper layer: that would end the association unexplained.
        """
        fragment = memoryview(data)
        if self._lost:
            return fragment.nbytes
        if self._file is None and self.tell() + fragment.nbytes <= SPILL_BYTES:
            return super().write(fragment)
        try:
            if self._file is None:
                self._file = UnnamedFile()
                self._file.append(self.getbuffer())
                self.seek(0)
                self.truncate()
            self._file.append(fragment)
        except OSError:
            self._lost = True
            self._file = None
        return fragment.nbytes

    def getvalue(self) -> bytes:
        """Give all bytes, as the base does."""
        return super().getvalue() if self._file is None else self._file.read(0, self._file.size)

    def dataset(self) -> RawBytes:
        """Give what came, when all has come.

        Raises:
            StoreUnavailable: it was too large for memory, and the disk did not take it.
        """
        if self._lost:
            raise StoreUnavailable("The folder for temporary files takes no more")
        return RawBytes(self.getbuffer() if self._file is None else self._file)


def spilling_message() -> DIMSEMessage:
    """Begin a message that is received, instead of pynetdicom's call of the class."""
    message = DIMSEMessage()
    message.data_set = Spill()
    return message


def received_dataset(data_set: BytesIO | None) -> RawBytes:
    """Give the data set of a received primitive, empty where it has none.

    Raises:
        StoreUnavailable: it was too large for memory, and the disk did not take it.
    """
    if isinstance(data_set, Spill):
        return data_set.dataset()
    return RawBytes(data_set.getbuffer() if data_set is not None else b"")
