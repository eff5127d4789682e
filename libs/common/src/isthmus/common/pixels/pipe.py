"""Objects through pipes, as pickles that are never whole in memory beside what they are of."""

import contextlib
import fcntl
import os
import pickle
from io import BufferedReader, FileIO
from typing import Any, Final

_CAPACITY: Final = 1024 * 1024


class PipeWriter:
    """The end that objects go into."""

    def __init__(self, descriptor: int) -> None:
        """Write to a descriptor, which stays the caller's."""
        self._descriptor = descriptor
        with contextlib.suppress(OSError, AttributeError):  # a system may allow less, or none of it
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CAPACITY)

    def put(self, value: object) -> None:
        """Write an object; whoever cannot be pickled may be half written when that is found out."""
        pickle.Pickler(self, protocol=5).dump(value)

    def write(self, data: "bytes | bytearray | memoryview | pickle.PickleBuffer") -> int:
        """Write all of some bytes: large ones come here by themselves, as they lie in memory."""
        view = memoryview(data).cast("B")
        size = view.nbytes
        while view.nbytes:
            view = view[os.write(self._descriptor, view) :]
        return size


class PipeReader:
    """The end that objects come out of."""

    def __init__(self, descriptor: int) -> None:
        """Read from a descriptor, which stays the caller's."""
        self._file = BufferedReader(FileIO(descriptor, closefd=False))

    def get(self) -> Any:  # noqa: ANN401 - whatever was put in
        """Read an object.

        Raises:
            EOFError: the other end is closed, or was before the object was whole.
            pickle.UnpicklingError: something else was written.
        """
        return pickle.load(self._file)  # noqa: S301 - from our own process
