"""pynetdicom's reactor, kept from a bound: it takes responses now and then that are not for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from pynetdicom.association import Association


@contextmanager
def resting(association: Association) -> Iterator[None]:
    """Let only requests use an established association, one after the other, until the block is left.

    Each request pauses the reactor and lets it go on at its end. To the next one it looks paused still, until
    its thread has its turn, and then it reads what that one waits for.
    """
    checkpoint = association._reactor_checkpoint  # noqa: SLF001  # nothing public stops it
    checkpoint.clear()
    while association.is_established and not association._is_paused:  # noqa: SLF001  # nor tells
        time.sleep(0.001)  # no event is set when it does
    let_go_on, checkpoint.set = checkpoint.set, lambda: None  # type: ignore[method-assign]  # of this one alone
    try:
        yield
    finally:
        checkpoint.set = let_go_on  # type: ignore[method-assign]  # likewise
        checkpoint.set()
