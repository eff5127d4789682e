"""One association that the PACS has accepted."""

import threading


class Session:
    """What the thread of the network tells that of the operation: a C-CANCEL, or that the peer is gone."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._changed = threading.Condition()
        self._cancelled: set[int] = set()
        self._closed = False
        self._leaving = False
        self.served = 0
        """How many operations have ended."""

    def cancel(self, message_id: int) -> None:
        """A C-CANCEL came for the operation with this Message ID."""
        with self._changed:
            self._cancelled.add(message_id)
            self._changed.notify_all()

    def close(self) -> bool:
        """The association is over.

        Returns:
            Whether this is news.
        """
        with self._changed:
            news = not self._closed
            self._closed = True
            self._changed.notify_all()
        return news

    def leave(self) -> None:
        """The peer has asked for the release."""
        with self._changed:
            self._leaving = True

    @property
    def is_open(self) -> bool:
        """Whether it counts among the associations of now: not once its release is asked for."""
        with self._changed:
            return not self._closed and not self._leaving

    @property
    def closed(self) -> bool:
        """Whether nobody is there any more."""
        with self._changed:
            return self._closed

    def cancelled(self, message_id: int) -> bool:
        """Whether the operation was cancelled, or nobody is there any more."""
        with self._changed:
            return self._closed or message_id in self._cancelled

    def wait(self, message_id: int, seconds: float) -> None:
        """Wait, but not beyond a C-CANCEL or the end of the association."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or message_id in self._cancelled, seconds)

    def wait_for_end(self, seconds: float | None = None) -> None:
        """Wait until the association is over, but not for longer than so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)

    def end(self, message_id: int) -> None:
        """The operation has ended; its Message ID may be used again."""
        with self._changed:
            self.served += 1
            self._cancelled.discard(message_id)
