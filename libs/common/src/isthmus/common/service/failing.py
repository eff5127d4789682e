"""A part without which a service is of no use has ended: it stops, and is started again by its keeper.

A process that lives on without it would be ready by all that `/readyz` knows.
"""

import os
import signal
import threading

_failed = threading.Event()


def fail() -> None:
    """Stop the service as SIGTERM does, but exit with a failure. Any thread may call it."""
    _failed.set()
    os.kill(os.getpid(), signal.SIGTERM)


def has_failed() -> bool:
    """Tell whether `fail` was called."""
    return _failed.is_set()
