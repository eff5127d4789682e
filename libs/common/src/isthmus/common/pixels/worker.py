"""What runs in a worker process: one piece of work after another, from standard input to standard output.

It ends when standard input does, as the service then has ended, and by an alarm if work takes so long that
the service must have ended without it: a decoder that hangs lets nothing else run.
"""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Final

from isthmus.common.pixels.errors import ProcessFailed
from isthmus.common.pixels.pipe import PipeReader, PipeWriter

Work = tuple[Callable[..., object], tuple[object, ...]]

_NICE: Final = 10


def main() -> None:
    """Work until standard input is closed; the argument is how many seconds a piece of work may take."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the service, which ends us when it is done
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICE)
    seconds = int(sys.argv[1])
    reader, writer = PipeReader(os.dup(0)), PipeWriter(os.dup(1))
    os.dup2(2, 1)  # decoders in C write there
    sys.path[:] = reader.get()
    waiting: SimpleQueue[Work] = SimpleQueue()
    Thread(target=_read, args=(reader, waiting), daemon=True).start()
    while True:
        fn, args = waiting.get()
        signal.alarm(seconds)
        outcome = _outcome(fn, args)
        del fn, args
        writer.put(outcome)
        signal.alarm(0)


def _read(reader: PipeReader, waiting: "SimpleQueue[Work]") -> None:
    try:
        while True:
            waiting.put(reader.get())
    finally:
        os._exit(0)  # also in the middle of work: nobody waits for it


def _outcome(fn: Callable[..., object], args: tuple[object, ...]) -> tuple[bool, object]:
    try:
        return True, fn(*args)
    except BaseException as error:  # noqa: BLE001 - it is raised in the service
        return False, _told(error)


def _told(error: BaseException) -> BaseException:
    """Give what can be raised in the other process in the place of an exception."""
    if isinstance(error, MemoryError):
        return ProcessFailed("It took more memory than there is")
    error.add_note("In a worker process:\n" + "".join(traceback.format_tb(error.__traceback__)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever its class does
        return ProcessFailed(f"What it raised, {type(error).__name__}, cannot be told")
    return error


if __name__ == "__main__":
    main()
