"""Room for what a job holds in memory."""

from threading import Condition


class Room:
    """A bound on instances and their bytes, for the threads that bring them.

    Bytes are those in memory: what is in a file takes the place of one instance, and no bytes. One that is
    larger than all the room there is goes in alone.
    """

    def __init__(self, instances: int, size: int) -> None:
        self._instances = instances
        self._size = size
        self._held: list[int] = []
        self._closed = False
        self._changed = Condition()

    def enter(self, size: int) -> bool:
        """Wait until there is room for an instance; False when there never will be."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._fits(size))
            if not self._closed:
                self._held.append(size)
            return not self._closed

    def leave(self, size: int) -> None:
        """Give the room of an instance back."""
        with self._changed:
            self._held.remove(size)
            self._changed.notify_all()

    def close(self) -> None:
        """Let nothing in any more; who waits is sent away."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return not self._held or (len(self._held) < self._instances and sum(self._held) + size <= self._size)
